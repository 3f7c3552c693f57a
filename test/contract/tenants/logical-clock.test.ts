/** What every logical clock keeps to. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryLogicalClock } from 'drone-task-queue/tenants';
import { StoreLogicalClock } from 'drone-task-queue/tenants/store';
import { sql } from 'kysely';
import { leakCheck } from '../../support/leak-check.js';
import { testDatabases } from '../store/databases.js';
import { storeErrorOf } from '../store/items.js';
import { startProgram } from '../store/programs.js';
import { keepers, openShared } from './stores.js';

const databases = testDatabases();
leakCheck();

const PROGRAM = new URL('./programs/tenant-process.js', import.meta.url);

for (const { name, open } of keepers(databases)) {
  test(`${name}: every caller gets a higher ltime than all before`, async () => {
    await using shared = await open();
    const { clock } = shared;
    const first = await clock.next();
    const given = await Promise.all(Array.from({ length: 20 }, async () => clock.next()));
    assert.equal(new Set([first, ...given]).size, 21);
    assert(given.every(ltime => Number.isSafeInteger(ltime) && ltime > first));
    assert((await clock.next()) > Math.max(...given));
  });
}

for (const { name, place } of databases.shared) {
  test(`${name}: no ltime is given twice, whichever process asks, and each asker's grow`, async () => {
    const where = await place();
    await using shared = await openShared(where);
    const before = await shared.clock.next();
    await using one = startProgram('count', where, PROGRAM);
    await using other = startProgram('count', where, PROGRAM);
    assert.deepEqual([await one.line(), await other.line()], ['ready', 'ready']);
    one.go();
    other.go();
    const taken = (await Promise.all([one.line(), other.line()])).map(line => JSON.parse(line) as number[]);
    assert.deepEqual(await Promise.all([one.ended(), other.ended()]), ['0', '0']);
    for (const ltimes of taken)
      assert.deepEqual(
        ltimes,
        ltimes.toSorted((a, b) => a - b),
      );
    const all = taken.flat();
    assert.equal(new Set(all).size, 120);
    assert(Math.min(...all) > before && (await shared.clock.next()) > Math.max(...all));
  });
}

for (const { name, place } of databases.all) {
  test(`${name}: an ltime is never given back with a caller's section`, async () => {
    await using shared = await openShared(await place());
    const { clock, store } = shared;
    await storeErrorOf(
      store.readWrite('mine', async () => clock.next()),
      'ERR_SECTION_NESTING',
    );
    assert((await store.read(async () => clock.next())) < (await clock.next()));
  });

  test(`${name}: a clock whose row is gone says so rather than begin anew`, async () => {
    await using shared = await openShared(await place());
    await shared.store.readWrite('break', async tx => sql`DELETE FROM tenant_clock`.execute(tx));
    await assert.rejects(shared.clock.next(), /the row of tenant_clock is gone/);
  });
}

test('a clock does not start after an ltime that is none', async () => {
  const clock = new MemoryLogicalClock(1_000_000);
  assert.equal(await clock.next(), 1_000_001);
  assert.throws(() => new MemoryLogicalClock(-1), /after is -1, expected an integer of 0 or more/);
});

test('what is not a store is refused as one', () => {
  const refused = { code: 'ERR_INVALID_ARG', message: /store is/ };
  assert.throws(() => new StoreLogicalClock({} as never), refused);
  assert.throws(() => new StoreLogicalClock(undefined as never), refused);
});
