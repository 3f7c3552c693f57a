// A gate: changes go into their branches only when they have passed the jobs that their tenant's layout asks for, each on
// top of those before it. Two tenants, `web` and `device`, share a library and have a repository of their own each. While
// a job of `device` takes its time, `web` merges changes, has one refused that conflicts, and changes its own layout, once
// by a change that is well, for which the server is away at first, and once by a commit that is not.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DroneTaskQueue, LocalDrone } from 'drone-task-queue';
import { MemoryJobSource, type MergeItem, type MergeReply, RepoCache, RepoExecutor } from 'drone-task-queue/executor';
import { GitFileSource, ConfigLoader, MemoryLogicalClock, TenantLocks, TenantRegistry } from 'drone-task-queue/tenants';
import { type Layout, type LayoutJob, yamlLayouts } from 'drone-task-queue/tenants/yaml';

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

/** What is configured in `site`: which jobs its changes have to pass, and maybe one more job. */
const siteConfig = (gate: string, job = ''): string => `
jobs:
  page:
    commands: [cat local/site/page, cat local/library/version]
    projects: [library, site]
  ${job}
projects:
  library: { gate: [page] } # in this tenant, the library's changes have to pass it, too
  site: { gate: [${gate}] }
`;
const SPELLING = "spelling: { commands: ['! grep -r Helo local/site/page'] }";
const repositories = {
  library: {
    version: '1\n',
    'drones.yaml': `
pipelines:
  gate: { description: Before a change goes into its branch }
jobs:
  version: { commands: [cat local/library/version] }
projects:
  library: { gate: [version] }
`,
  },
  site: { page: 'Hello\n', 'drones.yaml': siteConfig('page') },
  firmware: {
    boards: 'arm\n',
    'drones.yaml': `
jobs:
  boot:
    labels: [board]
    commands:
      - until [ -e "$POWER" ]; do sleep 0.1; done
      - cat local/firmware/boards
    env: { POWER: ${folder}/power }
projects:
  firmware: { gate: [boot] }
`,
  },
};
for (const [project, files] of Object.entries(repositories)) {
  mkdirSync(join(folder, project));
  git(project, 'init', '--initial-branch=main');
  commit(project, files);
}

/** Whether the server of the repositories is; nothing listens at its URL then. */
let isAway = false;
const jobs = new MemoryJobSource();
let deviceIsAtWork = (): void => undefined;
const deviceStarted = new Promise<void>(resolve => {
  deviceIsAtWork = resolve;
});
const executor = new RepoExecutor({
  cache: new RepoCache({
    folder: join(folder, 'cache'),
    urlOf: (_, project) => (isAway ? `git://127.0.0.1:1/${project}` : join(folder, project)),
    git: { retryDelayMs: 10 }, // yours waits longer
  }),
  jobs,
  host: 'here',
  workspaces: join(folder, 'workspaces'),
  // The label says what the drone has to have. Yours are of several kinds; here all are this machine.
  droneFor: ({ label }) => {
    if (label === 'board') deviceIsAtWork();
    return new LocalDrone();
  },
  queueFor: () => new DroneTaskQueue(),
});

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
  files: new GitFileSource({
    ask: async request => jobs.submit('merger:cat', request),
    repositoryOf: project => ({ connection: 'local', project }),
  }),
  makeLayout: await yamlLayouts(),
});

function jobNames(tenant: TenantName): string {
  return (registry.tenant(tenant)?.layout?.layout.jobs ?? []).map(({ name }) => name).join(', ');
}

/** What became of a change, or of one of its jobs. Open: something else than the change kept it from being tried. */
interface Verdict {
  readonly is: 'good' | 'bad' | 'open';
  readonly text: string;
}

/** Runs a job on what was merged; its other projects are as their branches are. */
async function run(job: LayoutJob, { project }: MergeItem, { branches, repoState }: MergeReply): Promise<Verdict> {
  const answer = await jobs.submit('executor:execute', {
    projects: [...new Set([project, ...job.projects])].map(
      name => branches.find(one => one.project === name) ?? { connection: 'local', project: name, branch: 'main' },
    ),
    commands: job.commands,
    env: job.env,
    timeoutMs: job.timeoutMs,
    repoState,
    label: job.labels.join(' ') || undefined,
  });
  const report = answer.ok ? answer.value : answer.error.report;
  // It could not begin, or its drone has failed.
  if (!answer.ok && (report === undefined || answer.error.isTransient)) {
    return { is: 'open', text: `${job.name}: ${String(answer.error.code)}` };
  }
  const said = report?.commands.map(({ result }) => result.stdout.trim()).filter(text => text !== '') ?? [];
  return { is: answer.ok ? 'good' : 'bad', text: `${job.name}: ${said.join(', ')}` };
}

/** Merges a change on top of those before it, which are not in their branches yet, and runs its jobs on that. */
async function attempt(tenant: TenantName, before: readonly MergeItem[], change: MergeItem): Promise<Verdict> {
  const layout = registry.tenant(tenant)?.layout?.layout;
  const merge = await jobs.submit('merger:merge', { items: [...before, change] });
  if (!merge.ok) {
    const { code, item, paths = [] } = merge.error;
    // A conflict of an earlier change says nothing about this one, nor does a server that is away.
    const isItsOwn = code === 'ERR_MERGE_CONFLICT' && item === before.length;
    return isItsOwn ? { is: 'bad', text: `conflict in ${paths.join(', ')}` } : { is: 'open', text: String(code) };
  }
  const { host, branches } = merge.value;
  const wanted = layout?.jobsFor(change, 'gate') ?? [];
  const verdicts = await Promise.all(wanted.map(async job => run(job, change, merge.value)));
  await jobs.submit(`executor:release:${host}`, { branches });
  const worst = (['bad', 'open'] as const).find(one => verdicts.some(({ is }) => is === one));
  return { is: worst ?? 'good', text: verdicts.map(({ text }) => text).join('; ') };
}

const MAX_TRIES = 5;

/**
 * All changes are tried at once, each as if those before it were good. Where one is not, or is open, those after it are tried
 * anew. One that stays open is left for people to look at: it is not refused.
 */
async function gate(tenant: TenantName, ...changes: readonly MergeItem[]): Promise<void> {
  let queue = changes;
  let tries = 0;
  while (queue.length > 0) {
    const verdicts = await Promise.all(queue.map(async (one, at) => attempt(tenant, queue.slice(0, at), one)));
    const firstNotGood = verdicts.findIndex(({ is }) => is !== 'good');
    const good = queue.slice(0, firstNotGood === -1 ? queue.length : firstNotGood);
    for (const [at, { project, ref }] of good.entries()) {
      git(project, 'merge', '--no-edit', ref);
      console.log(`${tenant} ${ref} merged: ${String(verdicts[at]?.text)}`);
    }
    const [next, verdict] = [queue[good.length], verdicts[good.length]];
    if (next === undefined || verdict === undefined) return;
    tries = good.length > 0 ? 1 : tries + 1;
    const isTriedAgain = verdict.is === 'open' && tries < MAX_TRIES;
    const what = verdict.is === 'bad' ? 'refused' : isTriedAgain ? 'is tried again' : 'stays open';
    console.log(`${tenant} ${next.ref} ${what}: ${verdict.text}`);
    queue = queue.slice(isTriedAgain ? good.length : good.length + 1);
    if (isTriedAgain) await outageEnds();
    else tries = 0;
  }
}

/** Yours waits, longer each time. */
async function outageEnds(): Promise<void> {
  isAway = false;
}

/** After something was merged into it. */
async function reconfigureSite(): Promise<void> {
  const { problems } = await loader.reconfigureTenant('web', [{ project: 'site', branch: 'main' }]);
  for (const { path, line, project, branch, reason } of problems)
    console.log(`${String(path)}:${String(line)} (${String(project)}, ${String(branch)}): ${reason}`);
}

await loader.reconfigureAll();
console.log(`web has the jobs ${jobNames('web')}; device has ${jobNames('device')}`);

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

// A layout changes as anything else does: by a change that has passed the jobs, when the server is back.
isAway = true;
await gate('web', change('site', 'spelling', { 'drones.yaml': siteConfig('page, spelling', SPELLING) }));
await reconfigureSite();
const isAtWork = await Promise.race([device.then(() => false), Promise.resolve(true)]);
console.log(`web has the jobs ${jobNames('web')}; device is ${isAtWork ? 'still' : 'no longer'} at work`);

// A commit goes around the gate: the fault is reported, and the layout before it stays in use.
commit('site', { 'drones.yaml': siteConfig('page, speling', SPELLING) });
await reconfigureSite();
await gate('web', change('site', 'typo', { page: 'Helo, world\n' }));

writeFileSync(join(folder, 'power'), 'on');
await device;
await executor.close();
rmSync(folder, { recursive: true });
