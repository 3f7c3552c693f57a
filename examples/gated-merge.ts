// A gate: changes go into their branches only when they have passed the jobs that their tenant's layout asks for, each on
// top of those before it. Two tenants, `web` and `device`, share a library and have a repository of their own each. While
// a job of `device` takes its time, `web` merges changes, has one refused that conflicts, and changes its own layout.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DroneTaskQueue, LocalDrone } from 'drone-task-queue';
import {
  type ExecuteReport,
  type JobAnswer,
  MemoryJobSource,
  type MergeItem,
  type MergeReply,
  RepoCache,
  RepoExecutor,
} from 'drone-task-queue/executor';
import {
  CatFileSource,
  ConfigLoader,
  LayoutError,
  MemoryLogicalClock,
  TenantLocks,
  TenantRegistry,
} from 'drone-task-queue/tenants';

const folder = mkdtempSync(join(tmpdir(), 'gated-merge-'));

// The repositories; yours are on a server, which merges what the gate lets through.
function git(project: string, ...args: string[]): void {
  const identity = ['-c', 'user.name=you', '-c', 'user.email=you@example.org'];
  execFileSync('git', ['-C', join(folder, project), ...identity, ...args], { stdio: 'ignore' });
}

function commit(project: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, project, path), text);
  git(project, 'add', '--all');
  git(project, 'commit', '-m', Object.keys(files).join(', '));
}

/** A change of what is in the branch now, under a ref of its own. */
function change(project: string, name: string, files: Readonly<Record<string, string>>): MergeItem {
  git(project, 'checkout', '-b', name);
  commit(project, files);
  git(project, 'update-ref', `refs/changes/${name}`, 'HEAD');
  git(project, 'checkout', 'main');
  return { connection: 'local', project, branch: 'main', ref: `refs/changes/${name}` };
}

// `drones.yaml` has a job in each line: its name, and a command.
const repositories = {
  library: { version: '1\n', 'drones.yaml': 'version: cat local/library/version\n' },
  site: { page: 'Hello\n', 'drones.yaml': 'page: cat local/site/page\n' },
  firmware: {
    boards: 'arm\n',
    'drones.yaml': 'boot: until [ -e "$POWER" ]; do sleep 0.1; done; cat local/firmware/boards\n',
  },
};
for (const [project, files] of Object.entries(repositories)) {
  mkdirSync(join(folder, project));
  git(project, 'init', '--initial-branch=main');
  commit(project, files);
}

const jobs = new MemoryJobSource();
let deviceIsAtWork = (): void => undefined;
const deviceStarted = new Promise<void>(resolve => {
  deviceIsAtWork = resolve;
});
const executor = new RepoExecutor({
  cache: new RepoCache({ folder: join(folder, 'cache'), urlOf: (_, project) => join(folder, project) }),
  jobs,
  host: 'here',
  workspaces: join(folder, 'workspaces'),
  droneFor: ({ label }) => {
    if (label === 'device') deviceIsAtWork();
    return new LocalDrone();
  },
  queueFor: () => new DroneTaskQueue(),
});

/** What a job answers with; one that could not be done at all is an error. */
async function submit<T>(name: string, args: object): Promise<T> {
  const answer: JobAnswer = await jobs.submit(name, args);
  if (!answer.ok) throw new Error(`${name}: ${answer.error.message}`);
  return answer.value as T;
}

/** Of a tenant: the commands of its jobs by their names. */
type Layout = ReadonlyMap<string, string>;

const tenants = {
  web: ['library', 'site'],
  device: ['library', 'firmware'],
};
type TenantName = keyof typeof tenants;

const registry = new TenantRegistry<Layout>();
const loader = new ConfigLoader<Layout>({
  registry,
  locks: new TenantLocks(),
  clock: new MemoryLogicalClock(),
  system: {
    ltime: async () => 1,
    read: async () => ({
      ltime: 1,
      tenants: Object.entries(tenants).map(([name, own]) => ({ name, projects: own.map(project => ({ project })) })),
    }),
  },
  // The executor has the repositories: it is asked for the files in them, too.
  files: new CatFileSource({
    ask: async request => jobs.submit('merger:cat', request),
    repositoryOf: project => ({ connection: 'local', project }),
  }),
  makeLayout(files) {
    const lines = files.flatMap(({ text, ...file }) =>
      text
        .trimEnd()
        .split('\n')
        .map((words, at) => ({ ...file, line: at + 1, job: /^([\w-]+): (.+)$/.exec(words) })),
    );
    const bad = lines.filter(({ job }) => job === null);
    if (bad.length > 0) throw new LayoutError(bad.map(({ job: _, ...place }) => ({ ...place, reason: 'not a job' })));
    return new Map(lines.map(({ job }) => [job?.[1] ?? '', job?.[2] ?? '']));
  },
});

function jobsOf(tenant: TenantName): Layout {
  return registry.tenant(tenant)?.layout?.layout ?? new Map<string, string>();
}

/** What became of a change on top of others. */
interface Verdict {
  readonly isGood: boolean;
  readonly text: string;
}

/** Merges the last of the changes on top of the others, which are not in their branches yet, and runs the jobs on that. */
async function attempt(tenant: TenantName, items: readonly MergeItem[]): Promise<Verdict> {
  const layout = jobsOf(tenant);
  const merge = await submit<MergeReply>('merger:merge', { items });
  if (!merge.merged) {
    const conflict = merge.reason.split('\n').find(line => line.startsWith('CONFLICT'));
    return { isGood: false, text: conflict ?? merge.reason };
  }
  const { branches, repoState, host } = merge;
  const unchanged = tenants[tenant].filter(project => !branches.some(branch => branch.project === project));
  const report = await submit<ExecuteReport>('executor:execute', {
    projects: [...branches, ...unchanged.map(project => ({ connection: 'local', project, branch: 'main' }))],
    commands: [...layout.values()],
    env: { POWER: join(folder, 'power') },
    repoState,
    label: tenant,
  });
  await submit(`executor:release:${host}`, { branches });
  const names = [...layout.keys()];
  const said = report.commands.map(
    ({ result }, at) => `${String(names[at])}: ${result.stdout.trim().replaceAll('\n', ' ')}`,
  );
  return { isGood: report.succeeded, text: said.join(', ') };
}

/** All changes are tried at once, each as if those before it were good. Where one is not, those after it are tried anew. */
async function gate(tenant: TenantName, ...changes: readonly MergeItem[]): Promise<void> {
  let queue = changes;
  while (queue.length > 0) {
    const verdicts = await Promise.all(queue.map(async (_, at) => attempt(tenant, queue.slice(0, at + 1))));
    const bad = verdicts.findIndex(({ isGood }) => !isGood);
    const decided = bad === -1 ? queue.length : bad + 1;
    for (const [at, { project, ref }] of queue.slice(0, decided).entries()) {
      if (at !== bad) git(project, 'merge', '--no-edit', ref);
      console.log(`${tenant} ${ref} ${at === bad ? 'refused' : 'merged'}: ${String(verdicts[at]?.text)}`);
    }
    queue = queue.slice(decided);
  }
}

await loader.reconfigureAll();
for (const tenant of ['web', 'device'] as const)
  console.log(`${tenant} has the jobs ${[...jobsOf(tenant).keys()].join(', ')}`);

// It waits for power, for as long as that takes.
const device = gate('device', change('firmware', 'riscv', { boards: 'arm riscv\n' }));
await deviceStarted;

await gate(
  'web',
  change('site', 'greeting', { page: 'Hello, world\n' }),
  change('library', 'two', { version: '2\n' }),
  change('site', 'other-greeting', { page: 'Good day\n' }),
  change('site', 'footer', { footer: 'Goodbye\n' }),
);

// A layout changes as anything else does: by a change that has passed the jobs.
await gate(
  'web',
  change('site', 'spelling', {
    'drones.yaml': 'page: cat local/site/page\nspelling: ! grep -r Helo local/site/page\n',
  }),
);
await loader.reconfigureTenant('web', [{ project: 'site', branch: 'main' }]);
const isAtWork = await Promise.race([device.then(() => false), Promise.resolve(true)]);
console.log(
  `web has the jobs ${[...jobsOf('web').keys()].join(', ')}; device is ${isAtWork ? 'still' : 'no longer'} at work`,
);
await gate('web', change('site', 'typo', { page: 'Helo, world\n' }));

writeFileSync(join(folder, 'power'), 'on');
await device;
await executor.stop();
rmSync(folder, { recursive: true });
