/** Two loaders at work at once on tenants that overlap, whatever happens when. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import test from 'node:test';
import fc from 'fast-check';
import {
  type BranchCache,
  ConfigLoader,
  MemoryFileCache,
  MemoryLogicalClock,
  TenantLocks,
  TenantRegistry,
  type ConfigFile,
  type FileSource,
  type LogicalClock,
  type SharedFileCache,
  type TenantListSource,
  type TenantConfig,
} from 'drone-task-queue/tenants';
import { Interleaving } from './interleaving.js';

const PROJECTS = ['shared', 'pa', 'pb'] as const;
type Project = (typeof PROJECTS)[number];

const A: TenantConfig = { name: 'a', projects: [{ project: 'shared', extraPaths: ['ci-a/'] }, { project: 'pa' }] };
const B: TenantConfig = { name: 'b', projects: [{ project: 'shared', extraPaths: ['ci-b/'] }, { project: 'pb' }] };
const C: TenantConfig = { name: 'c', projects: [{ project: 'pa' }, { project: 'pb' }] };
const LISTS: readonly (readonly TenantConfig[])[] = [
  [A, B],
  [A, B, C],
  [B, C],
  [{ ...A, projects: B.projects }, B],
];

const SLOW_TURNS = 14;

/** Of each project, the version that all files of it are at. */
type Versions = Readonly<Record<Project, number>>;

/** What several tenants have comes first: it is there that loaders meet. */
const aProject = fc.constantFrom<Project[]>('shared', 'shared', 'shared', 'pa', 'pb');
const aLoader = fc.nat(1);
const anOp = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('commit' as const), project: aProject }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('tenant' as const),
      loader: aLoader,
      tenant: fc.constantFrom('a', 'b', 'c'),
      changed: fc.uniqueArray(aProject, { minLength: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('all' as const), loader: aLoader }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('changed' as const), loader: aLoader }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('publish' as const), list: fc.nat(LISTS.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cleanup' as const), loader: aLoader }) },
);
type Op = typeof anOp extends fc.Arbitrary<infer T> ? T : never;

/** `after`: so many turns. */
interface TimedOp {
  readonly op: Op;
  readonly after: number;
}

/** A layout that was made, and what its files said. */
interface Made {
  readonly tenant: string;
  readonly files: readonly ConfigFile[];
}

/** Of the op that goes on. One for all runs: Node keeps each storage for good. */
const inOp = new AsyncLocalStorage<Made[]>();

/** Repositories, list of tenants, clock and cache, of which each answer comes in its turn. */
class World {
  readonly versions: Record<Project, number> = { shared: 0, pa: 0, pb: 0 };
  /** What they were when an ltime was given. */
  readonly versionsAt = new Map<number, Versions>();
  readonly clock: LogicalClock;
  readonly cache: SharedFileCache;
  readonly system: TenantListSource;
  readonly files: FileSource;
  #isSlow = false;
  #published = { ltime: 1, tenants: LISTS[0] ?? [] };

  constructor(turn: () => Promise<void>) {
    const clock = new MemoryLogicalClock();
    const cache = new MemoryFileCache();
    this.clock = {
      next: async () => {
        await turn();
        const ltime = await clock.next();
        this.versionsAt.set(ltime, { ...this.versions });
        await turn();
        return ltime;
      },
    };
    this.cache = {
      read: async (...args) => turn().then(async () => cache.read(...args)),
      write: async (...args) => turn().then(async () => cache.write(...args)),
      projects: async () => turn().then(async () => cache.projects()),
      drop: async project => turn().then(async () => cache.drop(project)),
    };
    this.system = {
      ltime: async () => turn().then(() => this.#published.ltime),
      read: async () => turn().then(() => this.#published),
    };
    this.files = {
      files: async ({ project }) => {
        await turn();
        const version = String(this.versions[project as Project]);
        // Every other answer is slow, and comes after later ones.
        this.#isSlow = !this.#isSlow;
        for (let left = this.#isSlow ? SLOW_TURNS : 2; left > 0; left--) await turn();
        const paths = ['drones.d/1', 'drones.d/2', ...(project === 'shared' ? ['ci-a/x', 'ci-b/x'] : [])];
        return new Map(paths.map(path => [path, version]));
      },
    };
  }

  publish(list: number): void {
    this.#published = { ltime: this.#published.ltime + 1, tenants: LISTS[list] ?? [] };
  }
}

/** What `op` has to bring, judged by what the versions were when it was asked for. */
function checkMade(op: Op, { tenant, files }: Made, before: Versions): void {
  for (const project of new Set(files.map(file => file.project as Project))) {
    const ofProject = files.filter(file => file.project === project);
    const versions = ofProject.map(({ text }) => Number(text));
    // Extra paths may be from another search: with a list of tenants that does not have this one.
    const atRoots = ofProject.filter(({ path }) => path.startsWith('drones.d/')).map(({ text }) => text);
    assert.equal(new Set(atRoots).size, 1, `${tenant} has got half of a change of ${project}`);
    const isAsked = op.do === 'all' || (op.do === 'tenant' && op.changed.includes(project));
    if (isAsked) assert(Math.min(...versions) >= before[project], `${tenant} has got an old ${project}`);
  }
  const foreign = { a: 'ci-b/', b: 'ci-a/', c: 'ci-' }[tenant] ?? '';
  // In one of the lists tenant a names what b does.
  const isB = tenant === 'a' && files.some(({ project }) => project === 'pb');
  if (!isB) assert(!files.some(({ path }) => path.startsWith(foreign)), `${tenant} sees what is not its own`);
}

/** Of the files at the roots; extra paths may be from another search. */
function versionsIn({ files }: Made): Map<string, number> {
  const atRoots = files.filter(({ path }) => path.startsWith('drones.d/'));
  return new Map(atRoots.map(({ project, text }) => [project, Number(text)]));
}

/** Of each tenant, the newest files of layouts that were made. */
class Newest {
  readonly #versions = new Map<string, Map<string, number>>();

  /** What a layout that is asked for now must have. */
  checkLater(): (made: Made) => void {
    const floor = new Map([...this.#versions].map(([tenant, versions]) => [tenant, new Map(versions)]));
    return made => {
      for (const [project, version] of versionsIn(made)) {
        const earlier = floor.get(made.tenant)?.get(project) ?? 0;
        assert(version >= earlier, `a later layout of ${made.tenant} has an older ${project} than an earlier one`);
      }
    };
  }

  add(made: Made): void {
    const newest = this.#versions.get(made.tenant) ?? new Map<string, number>();
    this.#versions.set(made.tenant, newest);
    for (const [project, version] of versionsIn(made)) {
      newest.set(project, Math.max(version, newest.get(project) ?? 0));
    }
  }
}

/** What is known as of an ltime is at least what was there by then. */
function checkKnown({ versionsAt }: World, project: Project, cache: BranchCache | undefined): void {
  for (const path of ['drones.d/1', 'drones.d/2', 'ci-a/x', 'ci-b/x']) {
    const state = cache?.stateOf(path);
    if (state?.state !== 'present') continue;
    const version = versionsAt.get(state.ltime)?.[project] ?? NaN;
    assert(Number(state.text) >= version, `an older ${project} has taken the place of a newer one`);
  }
}

async function check(seed: number, ops: readonly TimedOp[], isOneRegistry: boolean): Promise<void> {
  const interleaving = new Interleaving(seed);
  const world = new World(async () => interleaving.turn());
  const locks = [new TenantLocks(), new TenantLocks()];
  const registries = [new TenantRegistry<number>(), new TenantRegistry<number>()];
  const loaders = [0, isOneRegistry ? 0 : 1].map(
    at =>
      new ConfigLoader<number>({
        registry: registries[at]!,
        locks: locks[at]!,
        clock: world.clock,
        cache: world.cache,
        system: world.system,
        files: world.files,
        makeLayout: (files, { name }) => inOp.getStore()?.push({ tenant: name, files }) ?? 0,
      }),
  );

  const newest = new Newest();
  // What leaves the list of tenants is not shared any more, and a loader that has missed it knows the older files.
  const isOneList = ops.every(({ op }) => op.do !== 'publish');

  const run = async (op: Op): Promise<void> => {
    if (op.do === 'commit') {
      world.versions[op.project] += 1;
      return;
    }
    if (op.do === 'publish') {
      world.publish(op.list);
      return;
    }
    const loader = loaders[op.loader]!;
    if (op.do === 'cleanup') {
      await loader.cleanup();
      return;
    }
    const before = { ...world.versions };
    const checkLater = newest.checkLater();
    const made: Made[] = [];
    const { problems } = await inOp.run(made, async () => {
      if (op.do === 'all') return loader.reconfigureAll();
      if (op.do === 'changed') return loader.reconfigureChanged();
      return loader.reconfigureTenant(
        op.tenant,
        op.changed.map(project => ({ project })),
      );
    });
    assert.deepEqual(
      problems.map(({ reason }) => reason),
      [],
    );
    for (const one of made) {
      checkMade(op, one, before);
      if (isOneList) checkLater(one);
      newest.add(one);
    }
  };

  const ends = ops.map(() => 'waits for ever');
  const runLater = async ({ op, after }: TimedOp): Promise<void> => {
    for (let turn = 0; turn < after; turn++) await interleaving.turn();
    await run(op);
  };
  ops.forEach((one, at) => {
    runLater(one).then(
      () => (ends[at] = 'well'),
      (error: unknown) => (ends[at] = String(error)),
    );
  });
  await interleaving.untilIdle();
  assert.deepEqual(
    ends,
    ops.map(() => 'well'),
  );
  for (const registry of registries) {
    for (const project of PROJECTS) checkKnown(world, project, registry.branchCache(project, 'main'));
  }
  assert.deepEqual(
    locks.map(({ size }) => size),
    [0, 0],
  );
}

for (const [name, isOneRegistry] of [
  ['of one registry', true],
  ['of a registry each, with one clock and one cache', false],
] as const) {
  test(`two loaders ${name} give each tenant what it asked for, whole and its own, and never wait for each other for ever`, async () => {
    const ops = fc.array(fc.record({ op: anOp, after: fc.nat(20) }), { minLength: 6, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(fc.nat(), ops, async (seed, some) => check(seed, some, isOneRegistry)),
      { numRuns: 200 },
    );
  });
}
