/** What every shared cache of files keeps to. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { BranchLoad } from 'drone-task-queue/tenants';
import { StoreFileCache } from 'drone-task-queue/tenants/store';
import { leakCheck } from '../../support/leak-check.js';
import { testDatabases } from '../store/databases.js';
import { storeErrorOf } from '../store/items.js';
import { startProgram } from '../store/programs.js';
import { keepers, openShared } from './stores.js';

const databases = testDatabases();
leakCheck();

const PROGRAM = new URL('./programs/tenant-process.js', import.meta.url);
const MAIN = { project: 'p', branch: 'main' };

function load(ltime: number, extraPaths: readonly string[], text: string): BranchLoad {
  return { ltime, extraPaths, files: new Map([['drones.yaml', text]]) };
}

for (const { name, open } of keepers(databases)) {
  test(`${name}: a search is given to who wants no newer one and no more paths`, async () => {
    await using shared = await open();
    const { cache } = shared;
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
    await using shared = await open();
    const { cache } = shared;
    await cache.write(MAIN, load(5, [], 'five'));
    await cache.write(MAIN, load(5, ['ci/'], 'also five'));
    await cache.write(MAIN, load(4, ['ci/'], 'four'));
    assert.deepEqual(await cache.read(MAIN, [], -1), load(5, [], 'five'));
    await cache.write(MAIN, load(6, [], 'six'));
    assert.deepEqual(await cache.read(MAIN, [], -1), load(6, [], 'six'));
  });

  test(`${name}: of searches that are written at once the latest stays`, async () => {
    await using shared = await open();
    const { cache } = shared;
    const ltimes = [4, 9, 2, 7, 1, 8, 3, 6, 5];
    await Promise.all(ltimes.map(async ltime => cache.write(MAIN, load(ltime, [], String(ltime)))));
    assert.deepEqual(await cache.read(MAIN, [], -1), load(9, [], '9'));
  });

  test(`${name}: what is held is not changed from outside`, async () => {
    await using shared = await open();
    const { cache } = shared;
    const files = new Map([['drones.yaml', 'a']]);
    await cache.write(MAIN, { ltime: 5, extraPaths: [], files });
    files.clear();
    assert.equal((await cache.read(MAIN, [], 5))?.files.size, 1);
  });

  test(`${name}: any text is held as it is, and what is not there stays so`, async () => {
    await using shared = await open();
    const { cache } = shared;
    const files = new Map([
      ['drones.yaml', 'zero \0, quotes "\' and \\, ü, \u{1f41d}, half \ud83d\n'],
      ['.drones.yaml', null],
      ['drones.d/empty', ''],
    ]);
    const held: BranchLoad = { ltime: Number.MAX_SAFE_INTEGER, extraPaths: ['ci/"x"/'], files };
    await cache.write(MAIN, held);
    assert.deepEqual(await cache.read(MAIN, ['ci/"x"/'], -1), held);
  });

  test(`${name}: a project that is dropped is gone with all its branches`, async () => {
    await using shared = await open();
    const { cache } = shared;
    await cache.write(MAIN, load(5, [], 'a'));
    await cache.write({ ...MAIN, branch: 'next' }, load(5, [], 'a'));
    await cache.write({ ...MAIN, project: 'q' }, load(5, [], 'a'));
    assert.deepEqual((await cache.projects()).sort(), ['p', 'q']);
    await cache.drop('p');
    await cache.drop('p');
    assert.deepEqual(await cache.projects(), ['q']);
    assert.equal(await cache.read(MAIN, [], -1), undefined);
  });
}

for (const { name, place } of databases.shared) {
  test(`${name}: what one process has written another reads, and none puts an older search in a newer one's place`, async () => {
    const where = await place();
    await using shared = await openShared(where);
    await using one = startProgram('share', where, PROGRAM);
    await using other = startProgram('share', where, PROGRAM);
    assert.deepEqual([await one.line(), await other.line()], ['ready', 'ready']);
    one.go();
    other.go();
    const [endOfOne, endOfOther] = await Promise.all([one.ended(), other.ended()]);
    assert.deepEqual([endOfOne, endOfOther], ['0', '0']);
    const newest = Math.max(Number(await one.line()), Number(await other.line()));
    assert.deepEqual((await shared.cache.read(MAIN, [], newest))?.ltime, newest);
  });
}

for (const { name, place } of databases.all) {
  test(`${name}: nothing is shared as a part of a caller's section, which may be undone`, async () => {
    await using shared = await openShared(await place());
    const { cache, store } = shared;
    const mine = async (work: () => Promise<void>): Promise<unknown> =>
      storeErrorOf(store.readWrite('mine', work), 'ERR_SECTION_NESTING');
    await mine(async () => cache.write(MAIN, load(5, [], 'a')));
    await mine(async () => cache.drop('p'));
    assert.deepEqual(await cache.projects(), []);
  });
}

test('what is not a store holds no files', () => {
  assert.throws(() => new StoreFileCache({} as never), { code: 'ERR_INVALID_ARG' });
});
