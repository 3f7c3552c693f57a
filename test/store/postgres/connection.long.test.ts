/** Connections that end, break and fall silent, on a real server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Log } from '../../../src/report/log.js';
import type { Transaction } from '../../../src/store/engine.js';
import { until } from '../../support/until.js';
import { rejectionOf } from '../../contract/rejections.js';
import { leakCheck } from '../../support/leak-check.js';
import { type Postgres, startPostgres } from '../../support/postgres.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';
import { connectOther, inTransaction, openEngine, rowsOf, type TestEngine } from './engines.js';

let server: Postgres;
before(async () => {
  server = await startPostgres();
});
after(() => server.stop());
leakCheck();

/** Looks soon at what is silent, and has found out soon that nothing answers. */
const CURIOUS = { lookEveryMs: 50, lookMs: 200 };

const startProxy = (): Promise<TcpProxy> => startTcpProxy({ host: server.host, port: server.port });

async function isLost(engine: TestEngine, promise: Promise<unknown>): Promise<void> {
  const error = await rejectionOf(promise);
  assert.equal(engine.kindOf(error), 'lost', String(error));
}

async function pidOf(transaction: Transaction): Promise<number> {
  const [row] = await rowsOf(transaction, 'SELECT pg_backend_pid() AS pid');
  return (row as { pid: number }).pid;
}

const isWaiting = async (url: string, pid: number): Promise<boolean> => {
  await using other = await connectOther(url);
  const { rows } = await other.client.query<{ type: string | null }>(
    'SELECT wait_event_type AS type FROM pg_stat_activity WHERE pid = $1',
    [pid],
  );
  return rows[0]?.type === 'Lock';
};

test('a connection that the server ends in mid-section is lost, awaited or not', async () => {
  const url = await server.database();
  await using engine = await openEngine(url);
  await using other = await connectOther(url);
  for (const step of ['statement', 'nest', 'commit', 'rollback'] as const) {
    const transaction = await engine.begin('readWrite');
    await other.client.query('SELECT pg_terminate_backend($1, 60000)', [await pidOf(transaction)]);
    if (step === 'nest') await isLost(engine, transaction.nest('read'));
    if (step === 'statement') await isLost(engine, rowsOf(transaction, 'SELECT 1'));
    if (step === 'commit') await isLost(engine, transaction.commit());
    else await transaction.rollback();
    assert.deepEqual(await inTransaction(engine, 'readWrite', 'SELECT 1 AS one'), [{ one: 1 }]);
  }

  await other.client.query('SELECT pg_advisory_lock(1)');
  const transaction = await engine.begin('readWrite');
  const pid = await pidOf(transaction);
  const waiting = isLost(engine, rowsOf(transaction, 'SELECT pg_advisory_xact_lock(1)'));
  await until(() => isWaiting(url, pid));
  await other.client.query('SELECT pg_terminate_backend($1)', [pid]);
  await waiting;
  await transaction.rollback();
});

test('a stretch on a connection that is gone takes its transaction along', async () => {
  const url = await server.database();
  await using engine = await openEngine(url);
  await using other = await connectOther(url);
  const outer = await engine.begin('readWrite');
  const inner = await outer.nest('readWrite');
  await other.client.query('SELECT pg_terminate_backend($1, 60000)', [await pidOf(inner)]);
  await inner.rollback();
  await isLost(engine, outer.commit());
});

test('a server that is killed loses its sections, and the engine goes on with the next server', async () => {
  await using own = await startPostgres();
  const url = await own.database();
  await using engine = await openEngine(url);
  await inTransaction(engine, 'readWrite', 'CREATE TABLE item (id int)');
  const writing = await engine.begin('readWrite');
  await rowsOf(writing, 'INSERT INTO item VALUES (1)');
  const reading = await engine.begin('read');
  await own.signal('SIGKILL');
  await isLost(engine, writing.commit());
  await isLost(engine, rowsOf(reading, 'SELECT 1'));
  await reading.rollback();
  await isLost(engine, engine.begin('readWrite'));
  await own.restart();
  assert.deepEqual(await inTransaction(engine, 'read', 'SELECT * FROM item'), []);
  await inTransaction(engine, 'readWrite', 'INSERT INTO item VALUES (2)');
});

test('connections that broke while they were idle are told of and replaced', async () => {
  await using own = await startPostgres();
  const warnings: string[] = [];
  const log: Log = { debug() {}, info() {}, warn: message => void warnings.push(message), error() {} };
  await using engine = await openEngine(await own.database(), { log });
  const readers = await Promise.all([1, 2, 3].map(() => engine.begin('read')));
  await Promise.all(readers.map(reader => reader.commit()));
  await inTransaction(engine, 'readWrite', 'SELECT 1');
  await own.restart();
  for (const policy of ['read', 'readWrite'] as const) {
    assert.deepEqual(await inTransaction(engine, policy, 'SELECT 1 AS one'), [{ one: 1 }]);
  }
  await until(() => warnings.some(line => /idle connection to PostgreSQL broke.*administrator command/.test(line)));
});

test('an idle connection that is cut or falls silent costs a begin no more than another connection', async () => {
  await using proxy = await startProxy();
  const url = server.through(await server.database(), { port: String(proxy.port) });
  await using engine = await openEngine(url, { readConnections: 2 }, { answerMs: 2_000, goodbyeMs: 50 });
  const readers = await Promise.all([1, 2].map(() => engine.begin('read')));
  await Promise.all(readers.map(reader => reader.commit()));
  for (const breakAll of [() => proxy.cut(), () => proxy.halfOpen()]) {
    await inTransaction(engine, 'read', 'SELECT 1');
    breakAll();
    assert.deepEqual(await inTransaction(engine, 'read', 'SELECT 1 AS one'), [{ one: 1 }]);
  }
});

test('a connection that is cut in mid-section is lost', async () => {
  await using proxy = await startProxy();
  const url = await server.database();
  await using engine = await openEngine(server.through(url, { port: String(proxy.port) }));
  for (const step of ['statement', 'commit'] as const) {
    const transaction = await engine.begin('readWrite');
    proxy.cut();
    if (step === 'commit') await isLost(engine, transaction.commit());
    else {
      await isLost(engine, rowsOf(transaction, 'SELECT 1'));
      await transaction.rollback();
    }
  }
  await proxy.refuse(true);
  await isLost(engine, engine.begin('readWrite'));
});

for (const [how, options] of [
  ['no client can reach the server any more', { isAlone: false }],
  ['the server is well, and has not got it', { isAlone: true }],
] as const) {
  test(`a statement or commit that a silent network swallows is lost, when ${how}`, async () => {
    for (const step of ['statement', 'commit'] as const) {
      await using proxy = await startProxy();
      const url = server.through(await server.database(), { port: String(proxy.port) });
      await using engine = await openEngine(url, {}, { ...CURIOUS, lookMs: options.isAlone ? 10_000 : 200 });
      const transaction = await engine.begin('readWrite');
      proxy.halfOpen();
      if (!options.isAlone) await proxy.refuse(true);
      if (step === 'commit') await isLost(engine, transaction.commit());
      else {
        await isLost(engine, rowsOf(transaction, 'SELECT 1'));
        await transaction.rollback();
      }
    }
  });
}

test('a rollback that a silent network swallows ends all the same', async () => {
  await using proxy = await startProxy();
  const url = server.through(await server.database(), { port: String(proxy.port) });
  const engine = await openEngine(url, {}, { answerMs: 2_000 });
  const transaction = await engine.begin('readWrite');
  const inner = await transaction.nest('readWrite');
  proxy.halfOpen();
  await inner.rollback();
  await transaction.rollback();
  await engine.close();
});

test('a statement on a server that stands still is lost', async () => {
  const url = await server.database();
  const engine = await openEngine(url, {}, { ...CURIOUS, goodbyeMs: 50 });
  const transaction = await engine.begin('readWrite');
  await server.signal('SIGSTOP');
  try {
    await isLost(engine, rowsOf(transaction, 'SELECT 1'));
    await transaction.rollback();
    await engine.close();
  } finally {
    await server.signal('SIGCONT');
  }
});

test('a statement may take as long as the server works on it', async () => {
  await using proxy = await startProxy();
  const direct = await server.database();
  const url = server.through(direct, { port: String(proxy.port) });
  await using other = await connectOther(direct);
  await other.client.query('SELECT pg_advisory_lock(1)');
  await using engine = await openEngine(url, {}, { lookEveryMs: 20 });
  const transaction = await engine.begin('readWrite');
  await rowsOf(transaction, 'SET LOCAL lock_timeout = 0');
  const before = proxy.connections;
  const waiting = rowsOf(transaction, 'SELECT pg_advisory_xact_lock(1)');
  await until(() => proxy.connections >= before + 5);
  await other.client.query('SELECT pg_advisory_unlock(1)');
  await waiting;
  await transaction.commit();
});
