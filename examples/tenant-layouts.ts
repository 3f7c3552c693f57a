// Two tenants share a project. Each has a layout of its own, made under a lock of its own: while one waits for a slow
// repository the other gets a new layout, and a broken configuration leaves the last good one in use.
import {
  ConfigLoader,
  LayoutError,
  MemoryLogicalClock,
  TenantLocks,
  TenantRegistry,
  type ConfigFile,
  type FileSource,
  type LayoutReport,
  type TenantListSource,
} from 'drone-task-queue/tenants';

// The repositories; yours are read with git, or over the API of their server.
const repositories = new Map([
  ['base', new Map([['drones.yaml', 'lint: npm run lint']])],
  ['web', new Map([['drones.yaml', 'test: npm test']])],
  [
    'kernel',
    new Map([
      ['drones.d/build', 'build: make'],
      ['boards/arm', 'boot-arm: ./boot arm'],
    ]),
  ],
]);
let kernelIsReadable = Promise.resolve();
const files: FileSource = {
  async files({ project }, paths) {
    if (project === 'kernel') await kernelIsReadable;
    const isWanted = (path: string): boolean =>
      paths.some(name => (name.endsWith('/') ? path.startsWith(name) : path === name));
    return new Map([...(repositories.get(project) ?? [])].filter(([path]) => isWanted(path)));
  },
};

// The list of tenants; yours is a file or a table, with an ltime that grows with each change.
const system: TenantListSource = {
  ltime: async () => 1,
  read: async () => ({
    ltime: 1,
    tenants: [
      { name: 'web', projects: [{ project: 'base' }, { project: 'web' }] },
      { name: 'kernel', projects: [{ project: 'base' }, { project: 'kernel', extraPaths: ['boards/'] }] },
    ],
  }),
};

/** A layout here is a command for each job: lines such as `name: command`. */
type Layout = ReadonlyMap<string, string>;

function makeLayout(configFiles: readonly ConfigFile[]): Layout {
  const lines = configFiles.flatMap(({ text, ...file }) =>
    text.split('\n').map((words, at) => ({ ...file, line: at + 1, job: /^([\w-]+): (.+)$/.exec(words) })),
  );
  const bad = lines.filter(({ job }) => job === null);
  if (bad.length > 0) throw new LayoutError(bad.map(({ job: _, ...place }) => ({ ...place, reason: 'not a job' })));
  return new Map(lines.map(({ job }) => [job?.[1] ?? '', job?.[2] ?? '']));
}

const registry = new TenantRegistry<Layout>();
const clock = new MemoryLogicalClock();
const loader = new ConfigLoader({ registry, locks: new TenantLocks(), clock, system, files, makeLayout });

function show(what: string, { outcomes, problems }: LayoutReport): void {
  console.log(`${what}:`);
  for (const [tenant, outcome] of outcomes) {
    const jobs = [...(registry.tenant(tenant)?.layout?.layout.keys() ?? [])];
    console.log(`  ${tenant} ${outcome}: ${jobs.join(', ')}`);
  }
  for (const { path, line, reason } of problems) console.log(`  ${String(path)}, line ${String(line)}: ${reason}`);
}

show('at the start', await loader.reconfigureAll());

let goOn = (): void => undefined;
kernelIsReadable = new Promise(resolve => {
  goOn = resolve;
});
const slow = loader.reconfigureTenant('kernel', [{ project: 'kernel' }]);
repositories.get('web')?.set('drones.yaml', 'test: npm test\ndeploy: npm run deploy');
show('while kernel is being read', await loader.reconfigureTenant('web', [{ project: 'web' }]));
goOn();
show('then', await slow);

repositories.get('web')?.set('drones.yaml', 'test: npm test\ndeploy!');
show('a mistake', await loader.reconfigureTenant('web', [{ project: 'web' }]));
