/** Callbacks that seem to do something and do nothing, and what a reader may ask of a database. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { farmMigrations } from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { sql } from 'kysely';
import { leakCheck } from '../../support/leak-check.js';
import { testDatabases } from './databases.js';
import { add, idsOf, type Items, openItems, run, storeErrorOf, type Writing } from './items.js';
import { migrations } from './migrations.js';

const databases = testDatabases();
leakCheck();

const row = { id: 7, name: 'lost' };
/** Queries that nothing executes. */
const QUERIES: Readonly<Record<string, (tx: Writing) => unknown>> = {
  insert: tx => tx.insertInto('item').values(row),
  update: tx => tx.updateTable('item').set({ name: 'lost' }),
  delete: tx => tx.deleteFrom('item'),
  select: tx => tx.selectFrom('item').selectAll(),
  schema: tx => tx.schema.createTable('lost').addColumn('id', 'integer'),
  'raw text': () => sql`DELETE FROM item`,
  several: tx => [tx.deleteFrom('item'), tx.insertInto('item').values(row)],
};
const NO_PROMISE: readonly unknown[] = [undefined, null, 7, 'done', {}, []];

for (const database of databases.all) {
  test(`${database.name}: a section that returns a query which nothing executed is refused, and the next is well`, async () => {
    await using store = await openItems(await database.place());
    for (const [what, query] of Object.entries(QUERIES)) {
      const callbacks = [query, async (tx: Writing) => query(tx), (tx: Writing) => Promise.all([query(tx)].flat())];
      for (const callback of callbacks) {
        const message = async (section: Promise<unknown>): Promise<string> =>
          (await storeErrorOf(section, 'ERR_UNAWAITED_WORK')).message;
        const work = callback as (tx: Writing) => Promise<unknown>;
        assert.match(await message(store.readWrite('lost', work)), /section 'lost' .*call \.execute\(\)/, what);
        assert.match(await message(store.read(db => work(db as Writing))), /call \.execute\(\)/, what);
        const outer = store.readWrite('outer', async tx => {
          await add(tx, 1);
          await store.readWrite('inner', work);
        });
        assert.match(await message(outer), /section 'inner'/, what);
      }
    }
    await store.readWrite('add', tx => add(tx, 2));
    assert.deepEqual(await idsOf(store), [2]);
  });

  test(`${database.name}: a callback that returns no promise is refused, and nothing of its section is kept`, async () => {
    await using store = await openItems(await database.place());
    for (const value of NO_PROMISE) {
      const started: Promise<unknown>[] = [];
      const section = store.readWrite('hasty', ((tx: Writing) => {
        started.push(add(tx, 1).catch(() => undefined));
        return value;
      }) as never);
      await assert.rejects(section, { code: 'ERR_INVALID_ARG', message: /section 'hasty' .*expected a promise/ });
      await Promise.all(started);
      await assert.rejects(store.read((() => value) as never), { name: 'TypeError', code: 'ERR_INVALID_ARG' });
    }
    assert.deepEqual(await idsOf(store), []);
  });

  test(`${database.name}: migrations without those that were applied are refused with the reason and the mend`, async () => {
    await using store = await Store.open<Items>(await database.place());
    await store.migrate(migrations);
    const { message } = await storeErrorOf(store.migrate(farmMigrations), 'ERR_MIGRATION');
    assert.match(message, /previously executed migration 1_job is missing\. Pass all migrations of the store/);
    const { message: late } = await storeErrorOf(
      store.migrate({ ...migrations, '0_late': migrations['1_job'] }),
      'ERR_MIGRATION',
    );
    assert.match(late, /expected previously executed migration 1_job to be at index 0/);
  });

  test(`${database.name}: 'or-join' has a transaction of its own, or is a part of the writer that is there`, async () => {
    await using store = await openItems(await database.place());
    const note = (id: number): Promise<void> =>
      store.readWrite('note', tx => add(tx, id), { ownTransaction: 'or-join' });
    await note(1);
    await store.read(async () => {
      await note(2);
      assert.deepEqual(await idsOf(store), [1], 'the snapshot is from before');
    });
    await store.readWrite('outer', async () => {
      await note(3);
      assert.deepEqual(await idsOf(store), [1, 2, 3]);
    });
    const undone = store.readWrite('undone', async () => {
      await note(4);
      throw new Error('as told');
    });
    await assert.rejects(undone, /as told/);
    const inReader = store.readWrite('around', () => store.read(() => note(5)));
    await storeErrorOf(inReader, 'ERR_SECTION_NESTING');
    assert.deepEqual(await idsOf(store), [1, 2, 3]);
    await assert.rejects(
      store.readWrite('note', tx => add(tx, 6), { ownTransaction: 'join' as never }),
      { code: 'ERR_INVALID_ARG', message: /ownTransaction is 'join', expected true, false or 'or-join'/ },
    );
  });
}

const READING = [
  'PRAGMA table_info(item)',
  'PRAGMA main.table_info(item)',
  'PRAGMA "main" . table_xinfo("item")',
  'PRAGMA table_info = item',
  'pragma /* of */ index_list(item)',
  'EXPLAIN PRAGMA foreign_key_list(part)',
  'PRAGMA foreign_key_check',
  'PRAGMA integrity_check',
  'PRAGMA user_version',
  'PRAGMA journal_mode;',
];
const CHANGING = [
  'PRAGMA user_version = 3',
  'PRAGMA user_version(3)',
  'PRAGMA main.user_version /* set */ = 3',
  'PRAGMA journal_mode = DELETE',
  'PRAGMA busy_timeout = 0',
  'PRAGMA query_only(0)',
  'PRAGMA optimize',
  'PRAGMA wal_checkpoint',
  'PRAGMA incremental_vacuum',
  'PRAGMA shrink_memory',
  'PRAGMA schema.unknown',
];

test('SQLite: a section may ask what its tables are like by PRAGMAs that only read, and by no other', async () => {
  await using store = await openItems(await databases.sqliteFile.place());
  for (const text of READING) {
    await store.read(db => run(db, text));
    await store.readWrite('look', tx => run(tx, text));
  }
  const columns = (await store.read(db => run(db, 'PRAGMA table_info(item)'))) as { name: string }[];
  assert.deepEqual(
    columns.map(({ name }) => name),
    ['id', 'name'],
  );
  for (const text of CHANGING) {
    await storeErrorOf(
      store.read(db => run(db, text)),
      'ERR_STATEMENT_REFUSED',
    );
    await storeErrorOf(
      store.readWrite('set', tx => run(tx, text)),
      'ERR_STATEMENT_REFUSED',
    );
  }
  await assert.rejects(store.read(db => run(db, 'PRAGMA table_info(item); PRAGMA user_version = 3')));
  assert.deepEqual(
    (await store.read(db => run(db, 'PRAGMA user_version'))).map(found => ({ ...(found as object) })),
    [{ user_version: 0 }],
  );
});
