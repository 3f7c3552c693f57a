/** What every shared cache of files keeps to. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryFileCache, type BranchLoad, type SharedFileCache } from 'drone-task-queue/tenants';

const MAIN = { project: 'p', branch: 'main' };

function load(ltime: number, extraPaths: readonly string[], text: string): BranchLoad {
  return { ltime, extraPaths, files: new Map([['drones.yaml', text]]) };
}

const CACHES: readonly (readonly [name: string, make: () => SharedFileCache])[] = [
  ['memory', () => new MemoryFileCache()],
];

for (const [name, make] of CACHES) {
  test(`${name}: a search is given to who wants no newer one and no more paths`, async () => {
    const cache = make();
    const held = load(5, ['ci/', 'a.yaml'], 'a');
    await cache.write(MAIN, held);
    assert.deepEqual(await cache.read(MAIN, [], 5), held);
    assert.deepEqual(await cache.read(MAIN, ['a.yaml'], -1), held);
    assert.equal(await cache.read(MAIN, [], 6), undefined);
    assert.equal(await cache.read(MAIN, ['ci'], -1), undefined);
    assert.equal(await cache.read({ ...MAIN, branch: 'next' }, [], -1), undefined);
    assert.equal(await cache.read({ ...MAIN, project: 'q' }, [], -1), undefined);
  });

  test(`${name}: only a later search takes the place of one`, async () => {
    const cache = make();
    await cache.write(MAIN, load(5, [], 'five'));
    await cache.write(MAIN, load(5, ['ci/'], 'also five'));
    await cache.write(MAIN, load(4, ['ci/'], 'four'));
    assert.deepEqual(await cache.read(MAIN, [], -1), load(5, [], 'five'));
    await cache.write(MAIN, load(6, [], 'six'));
    assert.deepEqual(await cache.read(MAIN, [], -1), load(6, [], 'six'));
  });

  test(`${name}: what is held is not changed from outside`, async () => {
    const cache = make();
    const files = new Map([['drones.yaml', 'a']]);
    await cache.write(MAIN, { ltime: 5, extraPaths: [], files });
    files.clear();
    assert.equal((await cache.read(MAIN, [], 5))?.files.size, 1);
  });

  test(`${name}: a project that is dropped is gone with all its branches`, async () => {
    const cache = make();
    await cache.write(MAIN, load(5, [], 'a'));
    await cache.write({ ...MAIN, branch: 'next' }, load(5, [], 'a'));
    await cache.write({ ...MAIN, project: 'q' }, load(5, [], 'a'));
    await cache.drop('p');
    await cache.drop('p');
    assert.deepEqual(await cache.projects(), ['q']);
    assert.equal(await cache.read(MAIN, [], -1), undefined);
  });
}
