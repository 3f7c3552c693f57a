/** How layouts are made, and what keeps them from being made. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  events,
  LayoutError,
  MemoryFileCache,
  MemoryLogicalClock,
  type LayoutEnd,
  type SharedFileCache,
} from 'drone-task-queue/tenants';
import { Gate } from 'drone-task-queue/testing';
import { setup, tenant } from './loader-setup.js';
import { PublishedConfig } from './published-config.js';

test('each tenant gets a layout of its files, and a branch of several tenants is read once', async () => {
  const { loader, repositories, layoutOf } = setup();
  const { outcomes, problems } = await loader.reconfigureAll();
  assert.deepEqual(
    [...outcomes],
    [
      ['a', 'loaded'],
      ['b', 'loaded'],
    ],
  );
  assert.deepEqual([problems, layoutOf('a'), layoutOf('b')], [[], 'shared1 pa1', 'shared1 pb1']);
  assert.deepEqual(repositories.askedSince(), ['pa main', 'pb main', 'shared main']);
  await loader.reconfigureAll();
  assert.deepEqual(repositories.askedSince(), ['pa main', 'pb main', 'shared main'], 'and every time anew');
});

test('a search is for what all tenants want, whichever asks, and each sees its own', async () => {
  const { loader, repositories, published, layoutOf } = setup();
  published.publish(tenant('a', 'pa', ['ci-a/']), tenant('b', 'pb', ['ci-b.yaml']));
  const files = { 'drones.yaml': 'root', 'ci-a/1.yaml': 'for-a', 'ci-b.yaml': 'for-b' };
  repositories.branches.set('shared main', files);
  await loader.reconfigureTenant('a', []);
  const [paths] = repositories.askedPaths.filter(one => one.includes('ci-a/'));
  assert.deepEqual(paths?.slice(-2), ['ci-a/', 'ci-b.yaml']);
  repositories.askedSince();
  await loader.reconfigureTenant('b', []);
  assert.deepEqual(repositories.askedSince(), ['pb main']);
  assert.deepEqual([layoutOf('a'), layoutOf('b')], ['root for-a pa1', 'root for-b pb1']);
});

test("a tenant's change reads what has changed anew and nothing else", async () => {
  const { loader, repositories, layoutOf } = setup();
  await loader.reconfigureAll();
  repositories.askedSince();
  repositories.branches.set('pa main', { '.drones.yaml': 'pa2' });
  repositories.branches.set('shared main', { 'drones.yaml': 'shared2' });
  await loader.reconfigureTenant('a', [{ project: 'pa' }, { project: 'shared', branch: 'next' }]);
  assert.deepEqual(repositories.askedSince(), ['pa main']);
  assert.deepEqual([layoutOf('a'), layoutOf('b')], ['shared1 pa2', 'shared1 pb1']);
});

test('a new list of tenants reconfigures those that it has otherwise, from what is known', async () => {
  const { loader, repositories, published, registry, layoutOf } = setup();
  await loader.reconfigureAll();
  repositories.askedSince();
  assert.equal((await loader.reconfigureChanged()).outcomes.size, 0);
  published.publish(tenant('a', 'pa'), { name: 'b', projects: [{ project: 'shared' }] }, tenant('c', 'pa'));
  const { outcomes } = await loader.reconfigureChanged();
  assert.deepEqual(
    [...outcomes],
    [
      ['b', 'loaded'],
      ['c', 'loaded'],
    ],
  );
  assert.deepEqual([repositories.askedSince(), layoutOf('b'), layoutOf('c')], [[], 'shared1', 'shared1 pa1']);
  published.publish(tenant('c', 'pa'));
  await loader.reconfigureAll();
  assert.deepEqual([...registry.snapshot.tenants.keys()], ['c']);
});

test('one branch that cannot be read fails its tenants only, and nothing that was read is read again', async () => {
  const { loader, repositories, layoutOf, lines } = setup();
  await loader.reconfigureAll();
  repositories.askedSince();
  repositories.broken.add('pa main');
  const changed = [{ project: 'pa' }, { project: 'shared' }];
  const { outcomes, problems } = await loader.reconfigureTenant('a', changed);
  assert.deepEqual([...outcomes], [['a', 'failed']]);
  assert.equal(layoutOf('a'), 'shared1 pa1', 'its last good layout is in use');
  const [problem] = problems;
  assert.deepEqual(
    [problem?.tenant, problem?.project, problem?.branch, problem?.reason],
    ['a', 'pa', 'main', 'its files could not be read: remote gone'],
  );
  assert.match(lines.join('\n'), /tenant a keeps its layout: \(pa, main\): its files could not be read: remote gone/);
  assert.deepEqual(repositories.askedSince(), ['pa main', 'shared main']);

  repositories.broken.clear();
  await loader.reconfigureTenant('a', [{ project: 'pa' }]);
  assert.deepEqual(repositories.askedSince(), ['pa main']);
});

test('a broken configuration is reported with file, line and reason, and others get their layouts', async () => {
  const { loader, repositories, layoutOf } = setup();
  await loader.reconfigureAll();
  repositories.branches.set('pa main', { 'drones.d/x.yaml': 'broken' });
  repositories.branches.set('pb main', { 'drones.yaml': 'pb2' });
  const { outcomes, problems } = await loader.reconfigureAll();
  assert.deepEqual(
    [...outcomes],
    [
      ['a', 'failed'],
      ['b', 'loaded'],
    ],
  );
  assert.deepEqual([layoutOf('a'), layoutOf('b')], ['shared1 pa1', 'shared1 pb2']);
  const [problem] = problems;
  assert(problem?.cause instanceof LayoutError);
  assert.equal(problem.cause.message, 'drones.d/x.yaml:3 (pa, main): no such pipeline');
  assert.deepEqual([problem.path, problem.line, problem.reason], ['drones.d/x.yaml', 3, 'no such pipeline']);
});

test('a tenant is reconfigured while another one is being loaded', async () => {
  const { loader, repositories, layoutOf } = setup();
  await loader.reconfigureAll();
  const gate = new Gate();
  repositories.gates.set('pa main', gate);
  const slow = loader.reconfigureTenant('a', [{ project: 'pa' }, { project: 'shared' }]);
  await gate.arrived();
  repositories.branches.set('pb main', { 'drones.yaml': 'pb2' });
  const { outcomes } = await loader.reconfigureTenant('b', [{ project: 'pb' }, { project: 'shared' }]);
  assert.deepEqual([outcomes.get('b'), layoutOf('b')], ['loaded', 'shared1 pb2']);
  gate.open();
  assert.equal((await slow).outcomes.get('a'), 'loaded');
});

test('what was read more slowly does not take the place of what was asked for later', async () => {
  const { loader, repositories, layoutOf } = setup();
  await loader.reconfigureAll();
  const gate = new Gate();
  repositories.gates.set('shared main', gate);
  const slow = loader.reconfigureTenant('a', [{ project: 'shared' }]);
  await gate.arrived();
  repositories.gates.clear();
  repositories.branches.set('shared main', { 'drones.yaml': 'shared2' });
  await loader.reconfigureTenant('b', [{ project: 'shared' }]);
  gate.open();
  await slow;
  assert.deepEqual([layoutOf('a'), layoutOf('b')], ['shared2 pa1', 'shared2 pb1']);
});

test('a reconfiguration that is called off rejects, changes nothing and frees the lock', async () => {
  const { loader, repositories, locks, layoutOf } = setup();
  const gate = new Gate();
  repositories.gates.set('pa main', gate);
  const stop = new AbortController();
  const all = loader.reconfigureAll({ signal: stop.signal });
  await gate.arrived();
  stop.abort(new Error('shutting down'));
  await assert.rejects(all, /shutting down/);
  assert.deepEqual([locks.size, layoutOf('a'), layoutOf('b')], [0, undefined, undefined]);
});

test('the background makes the layouts of others, passes over a locked tenant and comes back to it', async () => {
  const cache = new MemoryFileCache();
  const clock = new MemoryLogicalClock();
  const first = setup({ cache, clock });
  await first.loader.reconfigureAll();
  const states = new Map([...first.registry.snapshot.tenants].map(([name, { layout }]) => [name, layout!]));

  const second = setup({ cache, clock });
  await second.loader.updateSystem();
  const gate = new Gate();
  const busy = second.locks.withTenant('a', () => gate.wait());
  await gate.arrived();
  const pass = await second.loader.catchUp(states);
  assert.deepEqual(
    [...pass.outcomes],
    [
      ['a', 'busy'],
      ['b', 'loaded'],
    ],
  );
  gate.open();
  await busy;
  assert.deepEqual([...(await second.loader.catchUp(states)).outcomes], [['a', 'loaded']]);
  assert.equal((await second.loader.catchUp(states)).outcomes.size, 0);
  assert.deepEqual(second.repositories.asked, [], 'all files were those that the first one has shared');
  assert.equal(second.registry.tenant('a')?.layout?.ltime, states.get('a')?.ltime);
  assert.deepEqual(second.registry.tenant('a')?.layout?.minLtimes, states.get('a')?.minLtimes);
});

test('a layout tells how old the files of each branch are at least, also when they were read for another one', async () => {
  const { loader, registry } = setup();
  await loader.reconfigureTenant('a', []);
  const ofA = registry.tenant('a')?.layout?.minLtimes;
  await loader.reconfigureTenant('b', []);
  const ofB = registry.tenant('b')?.layout?.minLtimes;
  const shared = ofA?.get('shared')?.get('main');
  assert(shared !== undefined && shared > 0);
  assert.equal(ofB?.get('shared')?.get('main'), shared, 'it was not read again, and is not newer than it was');
  assert((ofB.get('pb')?.get('main') ?? NaN) > shared);
  await loader.reconfigureTenant('b', [{ project: 'shared' }]);
  assert((registry.tenant('b')?.layout?.minLtimes.get('shared')?.get('main') ?? NaN) > shared);
});

test('of what memory knows, the shared cache is asked once for each layout, whether it has something newer', async () => {
  const held = new MemoryFileCache();
  const asked: string[] = [];
  const cache: SharedFileCache = {
    read: async (branch, extraPaths, minLtime) => {
      asked.push(`${branch.project}${minLtime < 0 ? '' : ' newer'}`);
      return held.read(branch, extraPaths, minLtime);
    },
    write: async (...args) => held.write(...args),
    projects: async () => held.projects(),
    drop: async project => held.drop(project),
  };
  const { loader, layoutOf } = setup({ cache });
  await loader.reconfigureTenant('a', []);
  assert.deepEqual(asked.splice(0), ['shared', 'pa', 'shared newer', 'pa newer']);
  await loader.reconfigureTenant('b', []);
  assert.deepEqual([asked, layoutOf('b')], [['pb', 'shared newer', 'pb newer'], 'shared1 pb1']);
});

test('a layout has no older files than an earlier one of another scheduler, also without a catchUp', async () => {
  const cache = new MemoryFileCache();
  const clock = new MemoryLogicalClock();
  const [first, second] = [setup({ cache, clock }), setup({ cache, clock })];
  for (const { loader, repositories } of [first, second]) {
    await loader.reconfigureAll();
    repositories.askedSince();
    repositories.branches.set('shared main', { 'drones.yaml': 'shared2' });
    repositories.branches.set('pa main', { 'drones.yaml': 'pa2' });
  }
  await second.loader.reconfigureTenant('a', [{ project: 'shared' }]);
  await first.loader.reconfigureTenant('a', [{ project: 'pa' }]);
  assert.deepEqual([first.layoutOf('a'), first.repositories.askedSince()], ['shared2 pa2', ['pa main']]);
  const [layout, earlier] = [first, second].map(({ registry }) => registry.tenant('a')?.layout);
  assert((layout?.ltime ?? NaN) > (earlier?.ltime ?? NaN));
  assert.equal(layout?.minLtimes.get('shared')?.get('main'), earlier?.minLtimes.get('shared')?.get('main'));
  await second.loader.reconfigureChanged();
  first.published.publish({ ...tenant('b', 'pb'), projects: [{ project: 'shared' }] });
  await first.loader.reconfigureChanged();
  assert.equal(first.layoutOf('b'), 'shared2');
});

test('a change of a project without a branch is one of all its branches, and one with a branch of no other', async () => {
  const { loader, repositories, published } = setup();
  published.publish({ name: 'a', projects: [{ project: 'pa', branches: ['main', 'next'] }, { project: 'shared' }] });
  await loader.reconfigureAll();
  repositories.askedSince();
  await loader.reconfigureTenant('a', [{ project: 'pa' }]);
  assert.deepEqual(repositories.askedSince(), ['pa main', 'pa next']);
  await loader.reconfigureTenant('a', [{ project: 'pa', branch: 'next' }]);
  assert.deepEqual(repositories.askedSince(), ['pa next']);
});

test('the background does not believe files that are older than those of the layout that it is to make', async () => {
  const cache = new MemoryFileCache();
  const clock = new MemoryLogicalClock();
  const [first, second, alone] = [setup({ cache, clock }), setup({ cache, clock }), setup({ clock })];
  for (const { loader, repositories } of [first, second, alone]) {
    await loader.reconfigureAll();
    repositories.askedSince();
    repositories.branches.set('pa main', { 'drones.yaml': 'pa2' });
  }
  await first.loader.reconfigureTenant('a', [{ project: 'pa' }]);
  const state = first.registry.tenant('a')?.layout;
  assert(state);
  await second.loader.catchUp(new Map([['a', state]]));
  assert.deepEqual([second.layoutOf('a'), second.repositories.askedSince()], ['shared1 pa2', []]);
  await alone.loader.catchUp(new Map([['a', state]]));
  assert.deepEqual([alone.layoutOf('a'), alone.repositories.askedSince()], ['shared1 pa2', ['pa main']]);
});

test('a tenant that the background cannot load is passed over, and comes up again', async () => {
  const { loader, repositories, layoutOf } = setup();
  await loader.updateSystem();
  const state = { ltime: 1000, minLtimes: new Map() };
  const states = new Map([
    ['a', state],
    ['b', state],
  ]);
  repositories.broken.add('pa main');
  const { outcomes, problems } = await loader.catchUp(states);
  assert.deepEqual([outcomes.get('a'), outcomes.get('b'), problems.length], ['failed', 'loaded', 1]);
  repositories.broken.clear();
  assert.deepEqual([...(await loader.catchUp(states)).outcomes], [['a', 'loaded']]);
  assert.equal(layoutOf('a'), 'shared1 pa1');
});

test('of a branch of unknown age, memory is not believed, but what is shared is', async () => {
  const cache = new MemoryFileCache();
  const clock = new MemoryLogicalClock();
  const [first, second] = [setup({ cache, clock }), setup({ cache, clock })];
  await second.loader.reconfigureAll();
  second.repositories.askedSince();
  first.repositories.branches.set('pa main', { 'drones.yaml': 'pa2' });
  await first.loader.reconfigureTenant('a', [{ project: 'pa' }]);
  const { outcomes } = await second.loader.catchUp(new Map([['a', { ltime: 1000, minLtimes: new Map() }]]));
  const { layoutOf, repositories } = second;
  assert.deepEqual([outcomes.get('a'), layoutOf('a'), repositories.askedSince()], ['loaded', 'shared1 pa2', []]);
});

test('a cleanup waits for no lock', async () => {
  const cache = new MemoryFileCache();
  const { loader, locks } = setup({ cache });
  await loader.reconfigureAll();
  await cache.write({ project: 'old', branch: 'main' }, { ltime: 1, extraPaths: [], files: new Map() });
  const gate = new Gate();
  const held = locks.withSystem(async () => locks.withTenant('a', () => gate.wait()));
  await gate.arrived();
  const cleanup = loader.cleanup();
  assert.deepEqual(await Promise.race([cleanup, new Promise(resolve => setImmediate(resolve, 'waits'))]), ['old']);
  gate.open();
  await held;
});

test('a shared cache that fails costs a line in the log and nothing else', async () => {
  const fail = async (): Promise<never> => {
    throw new Error('cache gone');
  };
  const cache: SharedFileCache = { read: fail, write: fail, projects: fail, drop: fail };
  const { loader, lines } = setup({ cache });
  const { outcomes } = await loader.reconfigureAll();
  assert.deepEqual([...outcomes.values()], ['loaded', 'loaded']);
  assert(lines.includes('tenants: files of pa main could not be shared'));
  assert(lines.includes('tenants: shared files of pa main could not be read'));
  await assert.rejects(loader.cleanup(), /cache gone/);
});

test('files are in no layout before they are shared, or another scheduler could make a later one without them', async () => {
  const held = new MemoryFileCache();
  const gate = new Gate();
  let isSlow = false;
  const cache: SharedFileCache = {
    read: async (...args) => held.read(...args),
    write: async (...args) => {
      if (isSlow) await gate.wait();
      return held.write(...args);
    },
    projects: async () => held.projects(),
    drop: async project => held.drop(project),
  };
  const { loader, repositories, layoutOf } = setup({ cache });
  await loader.reconfigureAll();
  repositories.branches.set('shared main', { 'drones.yaml': 'shared2' });
  isSlow = true;
  const slow = loader.reconfigureTenant('a', [{ project: 'shared' }]);
  await gate.arrived();
  await loader.reconfigureTenant('b', []);
  assert.equal(layoutOf('b'), 'shared1 pb1');
  gate.open();
  await slow;
  await loader.reconfigureTenant('b', []);
  assert.deepEqual([layoutOf('a'), layoutOf('b')], ['shared2 pa1', 'shared2 pb1']);
});

test('what a source of files gives that cannot be files fails the tenant, and is not shared', async () => {
  const cache = new MemoryFileCache();
  const { loader, repositories } = setup({ cache });
  repositories.branches.set('pa main', { 'drones.yaml': 5 as never });
  const { outcomes, problems } = await loader.reconfigureAll();
  assert.deepEqual([...outcomes.values()], ['failed', 'loaded']);
  assert.match(problems[0]?.reason ?? '', /typeof text of drones\.yaml is 'number'/);
  assert.deepEqual((await cache.projects()).sort(), ['pb', 'shared']);
});

test('several roots in use are warned of, and the first one counts', async () => {
  const { loader, repositories, layoutOf, lines } = setup();
  repositories.branches.set('pa main', { '.drones.yaml': 'second', 'drones.d/a': 'first' });
  await loader.reconfigureTenant('a', []);
  assert.equal(layoutOf('a'), 'shared1 first');
  assert.deepEqual(lines, ['tenants: pa main: drones.d/ is used, but not .drones.yaml']);
});

test('a tenant that is unknown, or goes while it is loaded, is gone and stays so', async () => {
  const { loader, repositories, published, registry } = setup();
  assert.equal((await loader.reconfigureTenant('x', [])).outcomes.get('x'), 'gone');
  const gate = new Gate();
  repositories.gates.set('pa main', gate);
  const slow = loader.reconfigureTenant('a', []);
  await gate.arrived();
  published.publish(tenant('b', 'pb'));
  await loader.updateSystem();
  gate.open();
  assert.equal((await slow).outcomes.get('a'), 'gone');
  assert.deepEqual([...registry.snapshot.tenants.keys()], ['b']);
  assert.equal(registry.branchCache('pa', 'main'), undefined);
  await loader.cleanup();
});

test('a bad list of tenants is refused and the one before it stays', async () => {
  const { loader, published, registry } = setup();
  await loader.updateSystem();
  published.publish(tenant('a', 'shared'));
  await assert.rejects(loader.reconfigureAll(), { code: 'ERR_INVALID_ARG' });
  assert.deepEqual([...registry.snapshot.tenants.keys()], ['a', 'b']);
});

test('a change that another process has published is taken over once, however many ask', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'published-'));
  try {
    const path = join(folder, 'tenants.json');
    const program = fileURLToPath(new URL('programs/publisher-process.js', import.meta.url));
    const publish = async (ltime: number, ...names: string[]): Promise<void> => {
      await promisify(execFile)(process.execPath, [program, path, String(ltime), ...names]);
    };
    await publish(1, 'a');
    const system = new PublishedConfig(path);
    const { loader, registry } = setup({ system });
    const taken = async (): Promise<boolean[]> => Promise.all([1, 2, 3].map(async () => loader.updateSystem()));
    assert.deepEqual([(await taken()).filter(Boolean).length, system.reads], [1, 1]);
    assert.deepEqual(await taken(), [false, false, false]);
    await publish(2, 'a', 'b');
    assert.deepEqual([(await taken()).filter(Boolean).length, system.reads], [1, 2]);
    assert.deepEqual([...registry.snapshot.tenants.keys()], ['a', 'b']);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('each layout that was made, or was not, is an event', async () => {
  const seen: LayoutEnd[] = [];
  const listen = (message: unknown): void => {
    seen.push(message as LayoutEnd);
  };
  subscribe(events.layoutEnd, listen);
  try {
    const { loader, repositories } = setup();
    repositories.broken.add('pb main');
    await loader.reconfigureAll();
  } finally {
    unsubscribe(events.layoutEnd, listen);
  }
  const facts = seen.map(({ tenant: name, outcome, problems }) => [name, outcome, problems]).sort();
  assert.deepEqual(facts, [
    ['a', 'loaded', 0],
    ['b', 'failed', 1],
  ]);
  assert(seen.every(({ tookMs }) => tookMs >= 0));
});

test('what a loader cannot work with is refused by name', () => {
  const bad: readonly (readonly [options: Partial<Record<string, unknown>>, message: RegExp])[] = [
    [{ registry: {} }, /registry is \{\}, expected an object with the methods tenant/],
    [{ cache: null }, /cache is null/],
    [{ makeLayout: 'x' }, /makeLayout is 'x'/],
    [{ parallelTenants: 0 }, /parallelTenants is 0, expected an integer of 1 or more/],
    [{ parallelReadsPerProject: 0 }, /parallelReadsPerProject is 0/],
    [{ parallelReads: 0 }, /parallelReads is 0, expected an integer of 1 or more/],
    [{ paralelReads: 1 }, /unknown option 'paralelReads'/],
  ];
  for (const [options, message] of bad) {
    assert.throws(() => setup(options), { code: 'ERR_INVALID_ARG', message });
  }
});

test('what cannot be reconfigured is refused, and nothing is read', async () => {
  const { loader, published } = setup();
  const refused = { code: 'ERR_INVALID_ARG' };
  await assert.rejects(loader.reconfigureAll({ signal: 'now' } as never), refused);
  await assert.rejects(loader.reconfigureChanged({ timeoutMs: 1 } as never), refused);
  await assert.rejects(loader.reconfigureTenant('a', 'shared' as never), refused);
  await assert.rejects(loader.reconfigureTenant('a', [{ branch: 'main' } as never]), refused);
  await assert.rejects(loader.reconfigureTenant('a', [{ project: 'shared', branch: 1 } as never]), refused);
  assert.equal(published.reads, 0);
});

test('each fault is logged once, on a line whose fields hold no other fault', async () => {
  const logged: (readonly [line: string, fields: object])[] = [];
  const error = (line: string, fields: object = {}): void => void logged.push([line, fields]);
  const faults = [1, 2, 3].map(line => ({ path: 'drones.yaml', line, reason: `fault ${String(line)}` }));
  const makeLayout = (): never => {
    throw new LayoutError(faults);
  };
  const { loader } = setup({ makeLayout, log: { debug() {}, info() {}, warn() {}, error } });
  await loader.reconfigureAll();
  const ofA = logged.filter(([line]) => line.includes('tenant a '));
  assert.deepEqual(
    ofA.map(([line]) => line.replace(/^.*: tenant/, 'tenant')),
    faults.map(({ line }) => `tenant a has no layout: drones.yaml:${String(line)}: fault ${String(line)}`),
  );
  assert.deepEqual(
    ofA.map(([, fields]) => fields),
    faults.map(fault => ({ ...fault, tenant: 'a' })),
  );
});

test('whatever makeLayout throws is the reason why its tenant keeps its layout', async () => {
  const thrown: readonly (readonly [value: unknown, reason: string])[] = [
    [new Error('no room'), 'no room'],
    ['no room', 'no room'],
    [Object.create(null), '[Object: null prototype] {}'],
    [undefined, 'undefined'],
  ];
  for (const [value, reason] of thrown) {
    const makeLayout = (): never => {
      throw value;
    };
    const { problems, outcomes } = await setup({ makeLayout }).loader.reconfigureTenant('a', []);
    assert.deepEqual(
      [outcomes.get('a'), problems.map(problem => [problem.reason, problem.cause])],
      ['failed', [[reason, value]]],
    );
  }
  assert.throws(() => new LayoutError([]), { code: 'ERR_INVALID_ARG' });
});

test('so many branches are read at once as was said, and many more cause no warning', async () => {
  const { loader, repositories, published, layoutOf } = setup({ parallelReads: 3 });
  const warnings: Error[] = [];
  const listen = (warning: Error): void => {
    warnings.push(warning);
  };
  process.on('warning', listen);
  try {
    const gate = new Gate();
    const projects = Array.from({ length: 40 }, (_, at) => ({ project: `p${at}` }));
    for (const { project } of projects) {
      repositories.branches.set(`${project} main`, { 'drones.yaml': project });
      repositories.gates.set(`${project} main`, gate);
    }
    published.publish({ name: 'a', projects });
    const all = loader.reconfigureAll({ signal: new AbortController().signal });
    await gate.arrived(3);
    assert.equal(repositories.asked.length, 3);
    gate.open();
    await all;
    await loader.reconfigureAll();
    assert.equal(layoutOf('a'), projects.map(({ project }) => project).join(' '));
    await new Promise(setImmediate);
    assert.deepEqual(warnings, []);
  } finally {
    process.off('warning', listen);
  }
});
