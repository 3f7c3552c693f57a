/** Bringing a schema up to date: all that is missing, in order and once, or nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Store } from 'drone-task-queue/store';
import { type Migration, sql } from 'kysely';
import { leakCheck } from '../../support/leak-check.js';
import { testDatabases } from './databases.js';
import { storeErrorOf } from './items.js';
import { migrations } from './migrations.js';
import { startProgram } from './programs.js';

const databases = testDatabases();
leakCheck();

interface Jobs {
  job: { id: number; status: string };
}

const jobsOf = async (store: Store<Jobs>): Promise<unknown[]> =>
  (await store.read(db => db.selectFrom('job').selectAll().execute())).map(row => ({ ...row }));

const failing: Migration = {
  up: async db => {
    await sql`CREATE TABLE half (id integer)`.execute(db);
    throw new RangeError('as told');
  },
};

for (const database of databases.all) {
  test(`${database.name}: migrations are applied in the order of their names, and each once`, async () => {
    await using store = await Store.open<Jobs>(await database.place());
    const { '3_fill': last, ...first } = migrations;
    assert.deepEqual(await store.migrate(first), { applied: ['1_job', '2_status'] });
    assert.deepEqual(await jobsOf(store), []);
    assert.deepEqual(await store.migrate({ ...first, '3_fill': last }), { applied: ['3_fill'] });
    assert.deepEqual(await store.migrate(migrations), { applied: [] });
    assert.deepEqual(await jobsOf(store), [{ id: 1, status: 'queued' }]);
  });

  test(`${database.name}: when a migration fails nothing of its run is kept, and a later run does all of it`, async () => {
    await using store = await Store.open<Jobs>(await database.place());
    await store.migrate({ '1_job': migrations['1_job'] });
    const { message, cause } = await storeErrorOf(store.migrate({ ...migrations, '4_half': failing }), 'ERR_MIGRATION');
    assert.match(message, /the migration '4_half' failed; nothing of this run is kept/);
    assert.ok(cause instanceof RangeError);
    const tables = (await store.read(db => db.introspection.getTables())).map(({ name }) => name);
    assert.ok(!tables.includes('half'), tables.join(' '));
    assert.deepEqual(await store.migrate(migrations), { applied: ['2_status', '3_fill'] });
    assert.deepEqual(await jobsOf(store), [{ id: 1, status: 'queued' }]);
  });

  test(`${database.name}: migrations that do not fit to what was applied before are refused`, async () => {
    await using store = await Store.open<Jobs>(await database.place());
    await store.migrate(migrations);
    const { '1_job': _, ...without } = migrations;
    await storeErrorOf(store.migrate(without), 'ERR_MIGRATION');
    await storeErrorOf(store.migrate({ ...migrations, '0_late': failing }), 'ERR_MIGRATION');
    await storeErrorOf(store.migrate({ ...migrations, '5_none': {} as Migration }), 'ERR_MIGRATION');
    assert.deepEqual(await jobsOf(store), [{ id: 1, status: 'queued' }]);
  });
}

for (const database of databases.shared) {
  test(`${database.name}: of processes that migrate at once one does all of it, and the others find it done`, async () => {
    const place = await database.place();
    await using first = startProgram('migrate', place);
    await using second = startProgram('migrate', place);
    const both = [first, second];
    assert.deepEqual(await Promise.all(both.map(program => program.line())), ['ready', 'ready']);
    for (const program of both) program.go();
    const applied = await Promise.all(both.map(program => program.line()));
    assert.deepEqual(applied.sort(), ['', '1_job 2_status 3_fill']);
    assert.deepEqual(await Promise.all(both.map(program => program.ended())), ['0', '0']);
    await using store = await Store.open<Jobs>(place);
    assert.deepEqual(await jobsOf(store), [{ id: 1, status: 'queued' }]);
  });
}
