import assert from 'node:assert/strict';
import test from 'node:test';
import {
  MemoryFileCache,
  TenantRegistry,
  type SharedFileCache,
  type TenantConfig,
  type TenantLayout,
} from 'drone-task-queue/tenants';

const A: TenantConfig = { name: 'a', projects: [{ project: 'shared', extraPaths: ['ci/'] }, { project: 'only-a' }] };
const B: TenantConfig = {
  name: 'b',
  projects: [{ project: 'shared', branches: ['main', 'next'], extraPaths: ['b.yaml', 'ci/'] }],
};

function registryOf(...tenants: TenantConfig[]): TenantRegistry<string> {
  const registry = new TenantRegistry<string>();
  assert.equal(registry.replace(tenants, 1), true);
  return registry;
}

function layoutOf(registry: TenantRegistry<string>, name: string, ltime: number): TenantLayout<string> {
  const config = registry.tenant(name)?.config;
  assert(config);
  return { ltime, minLtimes: new Map(), layout: `${name} at ${ltime}`, config };
}

test('a snapshot stays as it is, whatever comes after', () => {
  const registry = registryOf(A);
  const before = registry.snapshot;
  registry.setLayout('a', layoutOf(registry, 'a', 2));
  const between = registry.snapshot;
  registry.replace([B], 2);
  assert.deepEqual([[...before.tenants.keys()], before.tenants.get('a')?.layout], [['a'], undefined]);
  assert.equal(between.tenants.get('a')?.layout?.layout, 'a at 2');
  assert.deepEqual([[...registry.snapshot.tenants.keys()], registry.snapshot.ltime], [['b'], 2]);
});

test('what came later is not replaced by what was published before it', () => {
  const registry = registryOf(A);
  registry.replace([A, B], 5);
  assert.deepEqual([registry.replace([A], 4), registry.replace([A], 5)], [false, false]);
  assert.deepEqual([...registry.snapshot.tenants.keys()], ['a', 'b']);
});

test('a bad list of tenants changes nothing', () => {
  const registry = registryOf(A);
  const before = registry.snapshot;
  const { projects } = A;
  const bad: readonly (readonly [tenants: unknown, message: RegExp])[] = [
    ['a', /tenants is 'a'/],
    [[A, A], /a tenant is 'a', expected each name once/],
    [[{ ...A, owner: 'me' }], /unknown option 'owner'/],
    [[{ name: '', projects }], /tenants\[0\]\.name is ''/],
    [[{ name: 'c', projects: {} }], /projects of tenant c is \{\}/],
    [[{ name: 'c', projects: [...projects, { project: 'shared' }] }], /projects of tenant c is 'shared', .*once/],
    [[{ name: 'c', projects: [{ project: 'p', branches: ['main', ''] }] }], /projects of tenant c\[0\]\.branches\[1\]/],
    [[{ name: 'c', projects: [{ project: 'p', extraPaths: ['a//b'] }] }], /extraPaths\[0\] is 'a\/\/b'/],
  ];
  for (const [tenants, message] of bad) {
    assert.throws(() => registry.replace(tenants as TenantConfig[], 9), { code: 'ERR_INVALID_ARG', message });
  }
  assert.equal(registry.snapshot, before);
});

test('asking for what is not configured makes nothing', () => {
  const registry = registryOf(A);
  const before = registry.snapshot;
  assert.equal(registry.tenant('b'), undefined);
  assert.equal(registry.branchCache('other', 'main'), undefined);
  assert.equal(registry.branchCache('shared', 'next'), undefined);
  assert.deepEqual(registry.extraPaths('other'), []);
  assert.equal(registry.snapshot, before);
});

test('a project is searched for what any of its tenants wants, and they share its branches', () => {
  const registry = registryOf(A, B);
  assert.deepEqual(registry.extraPaths('shared'), ['ci/', 'b.yaml']);
  assert.equal(registry.branchCache('shared', 'main'), registry.branchCache('shared', 'main'));
  assert.notEqual(registry.branchCache('shared', 'next'), registry.branchCache('shared', 'main'));
});

test('a tenant that is gone leaves no layout and no files, and one that stays keeps both', () => {
  const registry = registryOf(A, B);
  for (const name of ['a', 'b']) registry.setLayout(name, layoutOf(registry, name, 2));
  const shared = registry.branchCache('shared', 'main');
  const own = registry.branchCache('only-a', 'main');
  registry.replace([B], 2);
  assert.equal(registry.branchCache('only-a', 'main'), undefined);
  registry.replace([A, B], 3);
  assert.equal(registry.tenant('a')?.layout, undefined);
  assert.equal(registry.tenant('b')?.layout?.layout, 'b at 2');
  assert.equal(registry.branchCache('shared', 'main'), shared);
  assert.notEqual(registry.branchCache('only-a', 'main'), own);
});

test('removing a tenant again changes nothing', () => {
  const registry = registryOf(A, B);
  assert.deepEqual([registry.replace([B], 2), registry.replace([B], 3)], [true, true]);
  assert.deepEqual([...registry.snapshot.tenants.keys()], ['b']);
});

test('a layout is taken for a tenant that is there, and only if it is later than the one that is', () => {
  const registry = registryOf(A);
  const layout = layoutOf(registry, 'a', 5);
  assert.equal(registry.setLayout('a', layout), true);
  assert.equal(registry.setLayout('a', layoutOf(registry, 'a', 5)), false);
  assert.equal(registry.setLayout('a', layoutOf(registry, 'a', 4)), false);
  assert.equal(registry.tenant('a')?.layout, layout);
  registry.replace([], 2);
  assert.equal(registry.setLayout('a', layout), false);
  assert.equal(registry.snapshot.tenants.size, 0);
});

test('a cleanup drops what no tenant uses, and leaves what has come into use meanwhile', async () => {
  const registry = registryOf(A);
  const cache = new MemoryFileCache();
  const load = { ltime: 1, extraPaths: [], files: new Map<string, string>() };
  for (const project of ['old', 'shared', 'new', 'older']) await cache.write({ project, branch: 'main' }, load);
  /** A tenant is added while the cleanup waits for the cache. */
  const adding: SharedFileCache = {
    read: async (...args) => cache.read(...args),
    write: async (...args) => cache.write(...args),
    projects: async () => cache.projects(),
    drop: async project => {
      registry.replace([A, { name: 'c', projects: [{ project: 'new' }] }], 2);
      await cache.drop(project);
    },
  };
  assert.deepEqual(await registry.cleanup(adding), ['old', 'older']);
  assert.deepEqual(await cache.projects(), ['shared', 'new']);
});
