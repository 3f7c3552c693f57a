/** Transactions and savepoints, on a real server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CompiledQuery } from 'kysely';
import type { Transaction } from '../../../src/store/engine.js';
import { rejectionOf } from '../../contract/rejections.js';
import { leakCheck } from '../../support/leak-check.js';
import { type Postgres, startPostgres } from '../../support/postgres.js';
import { connectOther, inTransaction, openEngine, rowsOf, type TestEngine } from './engines.js';

let server: Postgres;
before(async () => {
  server = await startPostgres();
});
after(() => server.stop());
leakCheck();

/** With a table of one row, 1. */
async function openWithTable(): Promise<TestEngine> {
  const engine = await openEngine(await server.database());
  await inTransaction(engine, 'readWrite', 'CREATE TABLE item (id int PRIMARY KEY)', 'INSERT INTO item VALUES (1)');
  return engine;
}

async function ids(transaction: Transaction): Promise<unknown[]> {
  const rows = (await rowsOf(transaction, 'SELECT id FROM item ORDER BY id')) as { id: number }[];
  return rows.map(({ id }) => id);
}

async function idsOf(engine: TestEngine): Promise<unknown[]> {
  const transaction = await engine.begin('read');
  const all = await ids(transaction);
  await transaction.commit();
  return all;
}

/** What the failure of the statement means to the engine. */
async function kindOfFailure(engine: TestEngine, transaction: Transaction, sql: string): Promise<string> {
  const error = await rejectionOf(transaction.execute(CompiledQuery.raw(sql)));
  return engine.kindOf(error);
}

const WRITES = [
  'INSERT INTO item VALUES (2)',
  'UPDATE item SET id = 3',
  'DELETE FROM item',
  'TRUNCATE item',
  'CREATE TABLE other (id int)',
  'SELECT * FROM item FOR UPDATE',
  'WITH gone AS (DELETE FROM item RETURNING id) SELECT * FROM gone',
  'EXPLAIN ANALYZE UPDATE item SET id = 3',
  'DO $$ BEGIN INSERT INTO item VALUES (2); END $$',
  "SELECT nextval('counter')",
];
const ESCALATIONS = [
  'SET TRANSACTION READ WRITE',
  'SET LOCAL transaction_read_only = off',
  'SET transaction_read_only = off',
  "SELECT set_config('transaction_read_only', 'off', true)",
  "SELECT set_config('transaction_read_only', 'off', false)",
];

for (const isNested of [false, true]) {
  const where = isNested ? 'a stretch that reads inside a transaction that writes' : 'a transaction that reads';
  test(`the server refuses each write in ${where}, and each way to become able to write`, async () => {
    await using engine = await openWithTable();
    await inTransaction(engine, 'readWrite', 'CREATE SEQUENCE counter');
    for (const sql of [...WRITES, ...ESCALATIONS]) {
      const outer = await engine.begin(isNested ? 'readWrite' : 'read');
      const reading = isNested ? await outer.nest('read') : outer;
      assert.equal(await kindOfFailure(engine, reading, sql), 'read-only', sql);
      await reading.rollback();
      if (isNested) {
        await rowsOf(outer, 'INSERT INTO item VALUES (7)');
        await outer.rollback();
      }
    }
    assert.deepEqual(await idsOf(engine), [1]);
  });
}

test('a transaction that reads sees the moment of its begin, whatever is committed meanwhile', async () => {
  await using engine = await openWithTable();
  const reading = await engine.begin('read');
  await inTransaction(engine, 'readWrite', 'INSERT INTO item VALUES (2)');
  assert.deepEqual(await ids(reading), [1]);
  await reading.commit();
  assert.deepEqual(await idsOf(engine), [1, 2]);
});

test('a transaction that writes keeps all at its commit and nothing at its rollback', async () => {
  await using engine = await openWithTable();
  const kept = await engine.begin('readWrite');
  await rowsOf(kept, 'INSERT INTO item VALUES (2)');
  assert.deepEqual(await idsOf(engine), [1]);
  await kept.commit();
  const undone = await engine.begin('readWrite');
  await rowsOf(undone, 'INSERT INTO item VALUES (3)');
  await undone.rollback();
  assert.deepEqual(await idsOf(engine), [1, 2]);
});

test('rows that were changed are counted, and those that were read are not', async () => {
  await using engine = await openWithTable();
  const transaction = await engine.begin('readWrite');
  const affected = async (sql: string): Promise<unknown> =>
    (await transaction.execute(CompiledQuery.raw(sql))).numAffectedRows;
  assert.equal(await affected('INSERT INTO item SELECT generate_series(2, 5)'), 4n);
  assert.equal(await affected('UPDATE item SET id = id WHERE id > 3'), 2n);
  assert.equal(await affected('DELETE FROM item WHERE id > 9'), 0n);
  assert.equal(await affected('SELECT * FROM item'), undefined);
  assert.equal(await affected('CREATE TABLE copy AS SELECT * FROM item'), undefined);
  assert.equal(await affected(''), undefined);
  await transaction.rollback();
});

test('values reach the server beside the statement', async () => {
  await using engine = await openWithTable();
  const transaction = await engine.begin('read');
  const text = "'; DROP TABLE item; --";
  assert.deepEqual(await rowsOf(transaction, 'SELECT $1::text AS text, $2::int[] AS list', text, [1, 2]), [
    { text, list: [1, 2] },
  ]);
  await transaction.commit();
});

test('two statements in one text are refused, with values and without', async () => {
  await using engine = await openWithTable();
  for (const values of [[], [1]]) {
    const transaction = await engine.begin('readWrite');
    const two = `INSERT INTO item VALUES (${values.length === 0 ? '2' : '$1'}); COMMIT`;
    await assert.rejects(transaction.execute(CompiledQuery.raw(two, values)), { code: '42601' });
    await transaction.rollback();
  }
  assert.deepEqual(await idsOf(engine), [1]);
});

test('a stretch that is committed is a part of its transaction, one that is rolled back is not', async () => {
  await using engine = await openWithTable();
  const outer = await engine.begin('readWrite');
  const kept = await outer.nest('readWrite');
  await rowsOf(kept, 'INSERT INTO item VALUES (2)');
  const inner = await kept.nest('readWrite');
  await rowsOf(inner, 'INSERT INTO item VALUES (3)');
  await inner.rollback();
  await kept.commit();
  const undone = await outer.nest('readWrite');
  await rowsOf(undone, 'INSERT INTO item VALUES (4)');
  const lost = await undone.nest('readWrite');
  await rowsOf(lost, 'INSERT INTO item VALUES (5)');
  await lost.commit();
  await undone.rollback();
  assert.deepEqual(await ids(outer), [1, 2]);
  await outer.commit();
  assert.deepEqual(await idsOf(engine), [1, 2]);
});

test('a stretch whose statement failed is rolled back, and its transaction goes on', async () => {
  await using engine = await openWithTable();
  const outer = await engine.begin('readWrite');
  await rowsOf(outer, 'INSERT INTO item VALUES (2)');
  const failing = await outer.nest('readWrite');
  assert.equal(await kindOfFailure(engine, failing, 'INSERT INTO item VALUES (1)'), 'statement');
  await failing.rollback();
  await rowsOf(outer, 'INSERT INTO item VALUES (3)');
  await outer.commit();
  assert.deepEqual(await idsOf(engine), [1, 2, 3]);
});

for (const end of ['commit', 'rollback'] as const) {
  test(`after the ${end} of a stretch that only reads its transaction writes again`, async () => {
    await using engine = await openWithTable();
    const outer = await engine.begin('readWrite');
    // The first that is asked of the transaction: its snapshot is not taken yet.
    const reading = await outer.nest('read');
    assert.deepEqual(await ids(reading), [1]);
    const deeper = await reading.nest('read');
    assert.deepEqual(await ids(deeper), [1]);
    await deeper[end]();
    assert.equal(await kindOfFailure(engine, await reading.nest('readWrite'), 'DELETE FROM item'), 'read-only');
    await outer.rollback();

    const again = await engine.begin('readWrite');
    const read = await again.nest('read');
    await read[end]();
    await rowsOf(again, 'INSERT INTO item VALUES (2)');
    await again.commit();
    assert.deepEqual(await idsOf(engine), [1, 2]);
  });
}

test('the commit of a transaction in which a statement failed is not a success', async () => {
  await using engine = await openWithTable();
  const transaction = await engine.begin('readWrite');
  await rowsOf(transaction, 'INSERT INTO item VALUES (2)');
  assert.equal(await kindOfFailure(engine, transaction, 'SELECT 1 / 0'), 'statement');
  await assert.rejects(transaction.commit(), /answered COMMIT with ROLLBACK/);
  assert.deepEqual(await idsOf(engine), [1]);
});

test('a commit that a deferred constraint refuses is a failure of the statement kind, and the next section is well', async () => {
  await using engine = await openWithTable();
  const deferred = 'CREATE TABLE part (item int REFERENCES item DEFERRABLE INITIALLY DEFERRED)';
  await inTransaction(engine, 'readWrite', deferred);
  const transaction = await engine.begin('readWrite');
  await rowsOf(transaction, 'INSERT INTO part VALUES (99)');
  const error = await rejectionOf(transaction.commit());
  assert.equal((error as { code?: string }).code, '23503');
  assert.equal(engine.kindOf(error), 'statement');
  assert.deepEqual(await inTransaction(engine, 'readWrite', 'SELECT * FROM part'), []);
});

test('an unforeseen commit is reported as a failure', async () => {
  await using engine = await openWithTable();
  const transaction = await engine.begin('readWrite');
  await assert.rejects(rowsOf(transaction, '/* /* */ */ COMMIT'), /a COMMIT has ended the transaction/);
  await transaction.rollback();
  assert.deepEqual(await idsOf(engine), [1]);
});

test('of two that read what the other writes one has a conflict', async () => {
  const url = await server.database();
  await using engine = await openEngine(url);
  await using other = await connectOther(url);
  await inTransaction(engine, 'readWrite', 'CREATE TABLE item (id int)');
  const transaction = await engine.begin('readWrite');
  await rowsOf(transaction, 'SELECT count(*) FROM item');
  await other.client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
  await other.client.query('SELECT count(*) FROM item');
  await other.client.query('INSERT INTO item VALUES (1)');
  await other.client.query('COMMIT');
  assert.equal(await kindOfFailure(engine, transaction, 'INSERT INTO item VALUES (2)'), 'conflict');
  await transaction.rollback();
});

test('nothing that a transaction sets, locks or makes for its session meets the next one', async () => {
  const url = await server.database();
  await using engine = await openEngine(url, { readConnections: 1 });
  await using other = await connectOther(url);
  for (const policy of ['read', 'readWrite'] as const) {
    const [before] = await inTransaction(engine, policy, 'SELECT pg_backend_pid() AS pid');
    await inTransaction(
      engine,
      policy,
      "SELECT set_config('search_path', 'elsewhere', false)",
      "SELECT set_config('default_transaction_isolation', 'read committed', false)",
      'SELECT pg_advisory_lock(42)',
      ...(policy === 'readWrite' ? ['CREATE TEMPORARY TABLE left_behind (id int)'] : []),
      'DECLARE held CURSOR WITH HOLD FOR SELECT 1',
    );
    const seen = await engine.begin(policy);
    const counts = await rowsOf(
      seen,
      `SELECT pg_backend_pid() AS pid, current_setting('search_path') AS path,
        (SELECT count(*)::int FROM pg_cursors WHERE name = 'held') AS cursors,
        to_regclass('pg_temp.left_behind') AS temporary`,
    );
    const clean = { path: '"$user", public', cursors: 0, temporary: null };
    // The same connection: it was cleaned, and not replaced.
    assert.deepEqual(counts, [{ ...(before as { pid: number }), ...clean }]);
    const { rows } = await other.client.query('SELECT pg_try_advisory_xact_lock(42) AS free');
    assert.deepEqual(rows, [{ free: true }]);
    await seen.commit();
  }
});
