import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { BranchCache, type BranchLoad } from 'drone-task-queue/tenants';

function load(ltime: number, extraPaths: readonly string[], files: Record<string, string | null>): BranchLoad {
  return { ltime, extraPaths, files: new Map(Object.entries(files)) };
}

function cacheOf(...loads: readonly BranchLoad[]): BranchCache {
  const cache = new BranchCache();
  for (const one of loads) cache.load(one);
  return cache;
}

function pathsIn(cache: BranchCache, extraPaths: readonly string[] = []): string[] {
  return cache.get(extraPaths).map(({ path }) => path);
}

test('a path is unchecked, then absent or present, at the ltime of the search', () => {
  const cache = cacheOf();
  assert.deepEqual(cache.stateOf('drones.yaml'), { state: 'unchecked' });
  cache.load(load(5, ['ci/'], { 'drones.yaml': 'a' }));
  assert.deepEqual(cache.stateOf('drones.yaml'), { state: 'present', ltime: 5, text: 'a' });
  assert.deepEqual(cache.stateOf('ci/jobs.yaml'), { state: 'absent', ltime: 5 });
  assert.deepEqual(cache.stateOf('other.yaml'), { state: 'unchecked' });
});

test('what is valid is as old as the oldest of what was asked for, and an equal ltime will do', () => {
  const cache = cacheOf(load(5, ['a.yaml'], {}), load(8, [], {}));
  assert.deepEqual(
    [cache.validFor([], 8), cache.validFor([], 9), cache.validFor(['a.yaml'], 5), cache.validFor(['a.yaml'], 6)],
    [8, undefined, 5, undefined],
  );
  assert.deepEqual([cache.validFor(['a.yaml'], -1), cache.validFor(['b.yaml'], -1)], [5, undefined]);
});

test('what lies in a folder that was searched has been checked', () => {
  const cache = cacheOf(load(5, ['ci/'], {}));
  assert.deepEqual([cache.validFor(['ci/jobs.yaml'], 5), cache.validFor(['ci/more/'], 5)], [5, 5]);
  assert.deepEqual([cache.validFor(['ci.yaml'], -1), cache.validFor(['ci-old/'], -1)], [undefined, undefined]);
});

test('a root file that was deleted leaves the cache valid', () => {
  const cache = cacheOf(load(5, [], { 'drones.yaml': 'a' }), load(8, [], {}));
  assert.equal(cache.validFor([], 8), 8);
  assert.deepEqual(cache.stateOf('drones.yaml'), { state: 'absent', ltime: 8 });
});

test('a slow load changes nothing that a later one has told, absences included', () => {
  const cache = cacheOf(
    load(20, [], { '.drones.yaml': 'new' }),
    load(10, [], {}),
    load(15, [], { 'drones.yaml': 'old' }),
  );
  assert.deepEqual(cache.stateOf('drones.yaml'), { state: 'absent', ltime: 20 });
  assert.deepEqual(cache.get([]), [{ path: '.drones.yaml', text: 'new' }]);
  assert.equal(cache.validFor([], 20), 20);
});

test('a slow load still tells of what no later one has looked at', () => {
  const cache = cacheOf(load(20, [], {}), load(15, ['ci/'], { 'ci/a.yaml': 'a', 'drones.yaml': 'old' }));
  assert.deepEqual(pathsIn(cache, ['ci/']), ['ci/a.yaml']);
  assert.equal(cache.validFor(['ci/'], -1), 15);
});

test('folders whose names begin alike have nothing to do with each other', () => {
  const cache = cacheOf(load(5, ['extra-b/'], { 'extra-b/x.yaml': 'b' }));
  cache.load(load(8, ['extra/', 'extra-b'], { 'extra/y.yaml': 'a' }));
  assert.deepEqual(pathsIn(cache, ['extra/']), ['extra/y.yaml']);
  assert.deepEqual(pathsIn(cache, ['extra-b/']), ['extra-b/x.yaml']);
  assert.equal(cache.validFor(['extra-b/'], 5), 5);
});

test('a file that is named by itself and by its folder is given once', () => {
  const cache = cacheOf(load(5, ['ci/', 'ci/b.yaml'], { 'ci/a.yaml': 'a', 'ci/b.yaml': 'b' }));
  assert.deepEqual(pathsIn(cache, ['ci/', 'ci/b.yaml']), ['ci/b.yaml', 'ci/a.yaml']);
});

test('the first root with files is used, then single files as configured, then folders sorted', () => {
  const files = { '.drones.yaml': 'r', 'drones.d/b.yaml': 'r', 'drones.d/a/c.yaml': 'r' };
  const extras = { 'm.yaml': 'e', 'a.yaml': 'e', 'z.yaml': 'e', 'q/1': 'd', 'p/2': 'd', 'p/1': 'd' };
  const cache = cacheOf(load(5, ['z.yaml', 'q/', 'm.yaml', 'a.yaml', 'p/'], { ...files, ...extras }));
  assert.deepEqual(cache.rootsInUse(), ['drones.d/', '.drones.yaml']);
  const order = ['drones.d/a/c.yaml', 'drones.d/b.yaml', 'z.yaml', 'm.yaml', 'a.yaml', 'p/1', 'p/2', 'q/1'];
  assert.deepEqual(pathsIn(cache, ['z.yaml', 'q/', 'm.yaml', 'a.yaml', 'p/']), order);
});

test('empty files, null and files that were not searched for are not there', () => {
  const cache = cacheOf(load(5, [], { 'drones.yaml': '', '.drones.yaml': null, 'else.yaml': 'x', 'drones.d/a': 'y' }));
  assert.deepEqual(pathsIn(cache), ['drones.d/a']);
  assert.deepEqual(cache.stateOf('drones.yaml'), { state: 'absent', ltime: 5 });
  assert.deepEqual(cache.stateOf('else.yaml'), { state: 'unchecked' });
});

const REFUSED: readonly (readonly [name: string, load: unknown, message: RegExp])[] = [
  ['an ltime that is none', load(1.5, [], {}), /ltime is 1.5/],
  ['a root as an extra path', load(1, ['drones.d/'], {}), /extraPaths\[0\] is 'drones.d\/'/],
  ['an extra path out of the repository', load(1, ['../x'], {}), /extraPaths\[0\] is '..\/x'/],
  ['an absolute extra path', load(1, ['/x'], {}), /extraPaths\[0\] is '\/x'/],
  ['a file named as a folder', load(1, [], { 'drones.d/': 'x' }), /path of a file/],
  [
    'a text that is none',
    load(1, [], { 'drones.yaml': 1 as unknown as string }),
    /typeof text of drones.yaml is 'number'/,
  ],
  ['files that are no Map', { ...load(1, [], {}), files: {} }, /files is/],
];

for (const [name, bad, message] of REFUSED) {
  test(`${name} is refused and nothing of that load is kept`, () => {
    const cache = new BranchCache();
    const whole = bad as BranchLoad;
    assert.throws(() => cache.load(whole), { code: 'ERR_INVALID_ARG', message });
    assert.equal(cache.validFor([], -1), undefined);
    assert.deepEqual(cache.get([]), []);
  });
}

/** All paths that loads here may bring; small, so that names overlap in every way. */
const PATHS = [
  'drones.yaml',
  'drones.d/a',
  'drones.d/b',
  '.drones.yaml',
  '.drones.d/a',
  'x',
  'x-y/a',
  'x.d/a',
  'x.d/e/a',
];
const NAMES = ['x', 'x-y/', 'x-y/a', 'x.d/', 'x.d/e/', 'x.d/e/a'];
const ROOTS = ['drones.yaml', 'drones.d/', '.drones.yaml', '.drones.d/'];

const aTenant = fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 4 });
const aLoad = fc.record({
  ltime: fc.nat(12),
  extraPaths: aTenant,
  files: fc.uniqueArray(fc.constantFrom(...PATHS), { maxLength: 6 }),
});

function isNamed(path: string, names: readonly string[]): boolean {
  return names.some(name => path === name || (name.at(-1) === '/' && path.startsWith(name)));
}

/** The model: for each path by itself, the last that a search which took it in has told, the later ltime winning. */
class Model {
  readonly known = new Map<string, { ltime: number; text: string | undefined }>();

  load({ ltime, extraPaths, files }: BranchLoad): void {
    for (const path of PATHS) {
      const isOlder = ltime < (this.known.get(path)?.ltime ?? -1);
      if (!isNamed(path, [...ROOTS, ...extraPaths]) || isOlder) continue;
      this.known.set(path, { ltime, text: files.get(path) ?? undefined });
    }
  }
}

test('after any loads each path is as the latest search of it has told', () => {
  fc.assert(
    fc.property(fc.array(aLoad, { maxLength: 12 }), aTenant, (loads, tenant) => {
      const cache = new BranchCache();
      const model = new Model();
      for (const [at, { ltime, extraPaths, files }] of loads.entries()) {
        const before = PATHS.map(path => cache.stateOf(path));
        const one: BranchLoad = { ltime, extraPaths, files: new Map(files.map(path => [path, `${path} ${at}`])) };
        cache.load(one);
        model.load(one);

        for (const [index, path] of PATHS.entries()) {
          const state = cache.stateOf(path);
          const known = model.known.get(path);
          const was = before[index];
          assert.deepEqual(
            [state.state === 'unchecked' ? -1 : state.ltime, state.state === 'present' ? state.text : undefined],
            [known?.ltime ?? -1, known?.text],
          );
          const wasLtime = was === undefined || was.state === 'unchecked' ? -1 : was.ltime;
          assert((state.state === 'unchecked' ? -1 : state.ltime) >= wasLtime, 'no ltime goes backward');
          if (!isNamed(path, [...ROOTS, ...extraPaths])) assert.deepEqual(state, was, 'only what was searched changes');
        }
        const paths = cache.get(tenant).map(({ path }) => path);
        assert(
          paths.every(path => isNamed(path, [...ROOTS, ...tenant])),
          'a tenant sees what it has named',
        );
        assert.equal(new Set(paths).size, paths.length, 'and each file once');
      }
    }),
  );
});

test('what is valid for a tenant is all there: nothing that it names is older or was never searched', () => {
  fc.assert(
    fc.property(fc.array(aLoad, { maxLength: 12 }), aTenant, fc.integer({ min: -1, max: 12 }), (loads, tenant, min) => {
      const cache = new BranchCache();
      const model = new Model();
      for (const { ltime, extraPaths, files } of loads) {
        const one: BranchLoad = { ltime, extraPaths, files: new Map(files.map(path => [path, path])) };
        cache.load(one);
        model.load(one);
      }
      const valid = cache.validFor(tenant, min);
      const named = PATHS.filter(path => isNamed(path, [...ROOTS, ...tenant]));
      if (valid !== undefined) {
        assert(valid >= min);
        for (const path of named) assert((model.known.get(path)?.ltime ?? -1) >= valid);
      }
      const own = loads.filter(({ extraPaths }) => tenant.every(name => extraPaths.includes(name)));
      const newest = Math.max(-1, ...own.map(({ ltime }) => ltime));
      assert.equal(
        newest >= Math.max(min, 0) && valid === undefined,
        false,
        'a load of all that it names makes it valid',
      );

      const present = named.filter(path => model.known.get(path)?.text !== undefined);
      const root = ROOTS.find(name => present.some(path => isNamed(path, [name])));
      const hidden = (path: string): boolean =>
        isNamed(path, ROOTS) && (root === undefined || !isNamed(path, [root])) && !isNamed(path, tenant);
      const seen = cache.get(tenant).map(({ path }) => path);
      assert.deepEqual([...seen].sort(), present.filter(path => !hidden(path)).sort());
    }),
  );
});
