/** Tenants that are reconfigured at once, and what comes back into their list. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryFileCache, MemoryLogicalClock, type TenantConfig } from 'drone-task-queue/tenants';
import { Gate } from 'drone-task-queue/testing';
import { until } from '../support/until.js';
import { setup, tenant } from './loader-setup.js';

test('a repository that hangs holds up its own tenants only, and no lock', async () => {
  const { loader, repositories, published, locks, layoutOf } = setup({ parallelTenants: 1, parallelReads: 3 });
  const slow = ['s1', 's2', 's3', 's4'].map(name => ({
    name,
    projects: [{ project: 'hung', branches: ['x', 'y', 'z'] }],
  }));
  published.publish(...slow, tenant('a', 'pa'), tenant('b', 'pb'));
  const gate = new Gate();
  for (const branch of ['x', 'y', 'z']) repositories.gates.set(`hung ${branch}`, gate);
  const all = loader.reconfigureAll();
  await gate.arrived(2);
  await until(() => layoutOf('a') !== undefined && layoutOf('b') !== undefined);
  assert.deepEqual([layoutOf('a'), layoutOf('b'), locks.size], ['shared1 pa1', 'shared1 pb1', 0]);
  const asked = repositories.askedSince();
  assert.deepEqual(
    asked,
    ['hung x', 'hung y', 'pa main', 'pb main', 'shared main'],
    'two of one project, and each once',
  );
  gate.open();
  assert.deepEqual([...(await all).outcomes.keys()], ['s1', 's2', 's3', 's4', 'a', 'b']);
  assert.deepEqual(repositories.askedSince(), ['hung z']);
});

test('so many layouts are made at once as was said', async () => {
  const gate = new Gate();
  let atOnce = 0;
  let most = 0;
  const makeLayout = async (): Promise<string> => {
    most = Math.max(most, ++atOnce);
    await gate.wait();
    atOnce -= 1;
    return 'made';
  };
  const { loader, published } = setup({ makeLayout, parallelTenants: 2 });
  published.publish(...['a', 'b', 'c', 'd', 'e'].map(name => tenant(name, 'pa')));
  const all = loader.reconfigureAll();
  await gate.arrived(2);
  gate.open();
  await all;
  assert.equal(most, 2);
});

test('a running search is shared by callers that want nothing newer, and outlives its first', async () => {
  const { loader, repositories, layoutOf } = setup();
  await loader.updateSystem();
  const gate = new Gate();
  repositories.gates.set('shared main', gate);
  const stop = new AbortController();
  const first = loader.reconfigureTenant('a', [], { signal: stop.signal });
  await gate.arrived();
  const second = loader.reconfigureTenant('b', []);
  await until(() => repositories.asked.includes('pb main'));
  stop.abort(new Error('shutting down'));
  await assert.rejects(first, /shutting down/);
  gate.open();
  await second;
  assert.deepEqual([repositories.askedSince(), layoutOf('b')], [['pa main', 'pb main', 'shared main'], 'shared1 pb1']);
});

test('a search ends with its last caller', async () => {
  const { loader, repositories } = setup();
  await loader.updateSystem();
  const gate = new Gate();
  repositories.gates.set('shared main', gate);
  const stop = new AbortController();
  const first = loader.reconfigureTenant('a', [], { signal: stop.signal });
  await gate.arrived();
  const second = loader.reconfigureTenant('b', [], { signal: stop.signal });
  await until(() => repositories.asked.includes('pb main'));
  stop.abort(new Error('shutting down'));
  for (const call of [first, second]) await assert.rejects(call, /shutting down/);
  repositories.gates.clear();
  assert.equal(
    (await loader.reconfigureTenant('a', [])).outcomes.get('a'),
    'loaded',
    'nothing of the old search is used',
  );
});

const withProject: TenantConfig = { name: 'a', projects: [{ project: 'shared' }, { project: 'pa' }] };
const comesBack: readonly (readonly [what: string, without: TenantConfig, with_: TenantConfig])[] = [
  ['a project', { name: 'a', projects: [{ project: 'shared' }] }, withProject],
  [
    'a branch',
    { name: 'a', projects: [{ project: 'pa', branches: ['next'] }] },
    { name: 'a', projects: [{ project: 'pa', branches: ['next', 'main'] }] },
  ],
  [
    'an extra path',
    { name: 'a', projects: [{ project: 'pa' }] },
    { name: 'a', projects: [{ project: 'pa', extraPaths: ['ci/'] }] },
  ],
];
for (const [what, without, complete] of comesBack) {
  test(`${what} that comes back into the list is read anew`, async () => {
    const { loader, repositories, published, layoutOf } = setup();
    repositories.branches.set('pa main', { 'drones.yaml': 'old', 'ci/x': 'old' });
    repositories.branches.set('pa next', { 'drones.yaml': 'next' });
    published.publish(complete);
    await loader.reconfigureAll();
    assert.match(layoutOf('a') ?? '', /old/);
    published.publish(without);
    await loader.reconfigureChanged();
    repositories.branches.set('pa main', { 'drones.yaml': 'new', 'ci/x': 'new' });
    published.publish(complete);
    await loader.reconfigureChanged();
    assert.match(layoutOf('a') ?? '', /new/);
    assert.doesNotMatch(layoutOf('a') ?? '', /old/);
    repositories.askedSince();
    await loader.reconfigureTenant('a', []);
    assert.deepEqual(repositories.askedSince(), [], 'once is enough');
  });
}

test('a project that comes back is read anew by a scheduler that knew it and by one that starts then', async () => {
  const cache = new MemoryFileCache();
  const clock = new MemoryLogicalClock();
  const [first, second] = [setup({ cache, clock }), setup({ cache, clock })];
  await first.loader.reconfigureAll();
  first.published.publish(tenant('b', 'pb'));
  await first.loader.updateSystem();
  for (const { repositories, published } of [first, second]) {
    repositories.branches.set('pa main', { 'drones.yaml': 'pa2' });
    published.publish(tenant('a', 'pa'), tenant('b', 'pb'));
  }
  await second.loader.reconfigureChanged();
  assert.equal(second.layoutOf('a'), 'shared1 pa2', 'what left the list is not shared any more');
  const state = { ltime: 1000, minLtimes: new Map([['pa', new Map([['main', 1]])]]) };
  first.repositories.branches.set('pa main', { 'drones.yaml': 'pa3' });
  await first.loader.catchUp(new Map([['a', state]]));
  assert.equal(first.layoutOf('a'), 'shared1 pa3', 'also where the state allows older files');
});

test('a layout is made from the newest shared search, although an older one in memory would do', async () => {
  const cache = new MemoryFileCache();
  const clock = new MemoryLogicalClock();
  const { loader, locks, layoutOf } = setup({ cache, clock });
  await loader.updateSystem();
  const gate = new Gate();
  const other = locks.withTenant('a', () => gate.wait());
  await gate.arrived();
  const slow = loader.reconfigureTenant('a', [{ project: 'pa' }]);
  await until(async () => (await cache.projects()).includes('pa') && !locks.isFree('a'));
  const newer = new Map([['drones.yaml', 'pa2']]);
  await cache.write({ project: 'pa', branch: 'main' }, { ltime: await clock.next(), extraPaths: [], files: newer });
  gate.open();
  await other;
  await slow;
  assert.equal(layoutOf('a'), 'shared1 pa2');
});
