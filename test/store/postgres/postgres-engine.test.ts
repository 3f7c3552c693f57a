/** Opening, beginning and closing, on a real server and on some that are none. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { type CompiledQuery, type DatabaseConnection, DummyDriver, Kysely, type QueryResult } from 'kysely';
import { StoreError } from '../../../src/store/store-error.js';
import { until } from '../../support/until.js';
import { rejectionOf } from '../../contract/rejections.js';
import { leakCheck } from '../../support/leak-check.js';
import { type Postgres, startPostgres } from '../../support/postgres.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { connectOther, inTransaction, openEngine, rowsOf } from './engines.js';

let server: Postgres;
before(async () => {
  server = await startPostgres();
});
after(() => server.stop());
leakCheck();

async function openFailure(url: string, patience = {}): Promise<StoreError> {
  const error = await rejectionOf(openEngine(url, { busyTimeoutMs: 0 }, patience));
  assert.ok(error instanceof StoreError);
  assert.equal(error.code, 'ERR_STORE_OPEN');
  assert.ok(!inspect(error, { depth: 9 }).includes('hush'), inspect(error, { depth: 9 }));
  return error;
}

test('what is wrong with a URL is reported at open, without its password', async () => {
  const url = await server.database();
  const wrong: readonly (readonly [string, RegExp])[] = [
    [server.through(url, { password: 'hush' }), /at 127.0.0.1:\d+ as user 'drone': .*password authentication failed/],
    [`${url}_not`, /'test_1_not' .*does not exist/],
    [server.through(url, { port: '1' }), /127.0.0.1:1 .*ECONNREFUSED/],
    [url.replace('127.0.0.1', 'no-such-host.invalid'), /no-such-host\.invalid/],
    [url.replace(/:\d+\//, ':port/'), /the URL of the PostgreSQL database cannot be read/],
    [`${url}?sslmode=no-verify`, /does not support SSL/],
  ];
  for (const [bad, says] of wrong) assert.match((await openFailure(bad)).message, says);
});

test('a server that takes connections and says nothing is given up', async () => {
  const sockets: Socket[] = [];
  const mute = createServer(socket => sockets.push(socket)).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const { port } = mute.address() as AddressInfo;
  const error = await openFailure(`postgres://drone:hush@127.0.0.1:${String(port)}/test`, { connectMs: 200 });
  assert.match(error.message, /timeout expired/);
  for (const socket of sockets) socket.destroy();
  mute.close();
  await once(mute, 'close');
});

test('its connections bear the name of the store, or the one that the URL has', async () => {
  const url = await server.database();
  for (const [suffix, name] of [
    ['', 'drone-task-queue jobs'],
    ['?application_name=mine', 'mine'],
  ] as const) {
    await using engine = await openEngine(url + suffix, { name: 'jobs' });
    const rows = await inTransaction(engine, 'read', "SELECT current_setting('application_name') AS name");
    assert.deepEqual(rows, [{ name }]);
  }
});

test('readers that have all their connections in use do not keep the writer waiting', async () => {
  await using engine = await openEngine(await server.database(), { readConnections: 2 });
  const readers = [await engine.begin('read'), await engine.begin('read')];
  let hasThird = false;
  const third = engine.begin('read').then(transaction => {
    hasThird = true;
    return transaction;
  });
  assert.deepEqual(await inTransaction(engine, 'readWrite', 'SELECT 1 AS one'), [{ one: 1 }]);
  assert.equal(hasThird, false);
  for (const reader of readers) await reader.commit();
  await (await third).commit();
});

test('a wait for what another process has locked ends as busy', async () => {
  const url = await server.database();
  await using engine = await openEngine(url, { busyTimeoutMs: 50 });
  await using other = await connectOther(url);
  await inTransaction(engine, 'readWrite', 'CREATE TABLE item (id int)');
  await other.client.query('BEGIN');
  await other.client.query('LOCK TABLE item');
  for (const policy of ['read', 'readWrite'] as const) {
    const transaction = await engine.begin(policy);
    const error = await rejectionOf(rowsOf(transaction, 'SELECT * FROM item'));
    assert.equal(engine.kindOf(error), 'busy');
    await transaction.rollback();
  }
});

test('a begin is busy while the server takes no more connections, and waits as long as it was told', async () => {
  const url = await server.database();
  const narrow = server.through(url, { username: 'narrow' });
  const refusals = (): number => server.log.filter(line => line.includes('too many connections')).length;
  await using other = await connectOther(url);
  await other.client.query(`CREATE ROLE narrow LOGIN CONNECTION LIMIT 0 PASSWORD '${server.password}'`);
  assert.match((await openFailure(narrow)).message, /too many connections/);
  await other.client.query('ALTER ROLE narrow CONNECTION LIMIT 1');
  {
    await using hasty = await openEngine(narrow, { busyTimeoutMs: 0 });
    const error = await rejectionOf(hasty.begin('readWrite'));
    assert.equal(hasty.kindOf(error), 'busy');
    // The server counts a connection until its process has ended, so the one of the failed begin may still be in the way.
    const read = (): Promise<unknown> => inTransaction(hasty, 'read', 'SELECT 1 AS one').catch(hasty.kindOf);
    let rows = await read();
    while (rows === 'busy') rows = await read();
    assert.deepEqual(rows, [{ one: 1 }]);
  }
  await using patient = await openEngine(narrow, { busyTimeoutMs: 1_000_000 });
  const before = refusals();
  const begun = patient.begin('readWrite');
  await until(() => refusals() > before);
  await other.client.query('ALTER ROLE narrow CONNECTION LIMIT 2');
  await (await begun).commit();
});

test('each kind of failure is distinguished from the others', async () => {
  await using engine = await openEngine(await server.database());
  const kindOf = (code: string, routine?: string): string =>
    engine.kindOf(Object.assign(new Error(code), { code, routine }));
  assert.deepEqual(
    ['25006', '40001', '40P01', '55P03', '53300', '57P03', '23505', '08P01', 'ECONNRESET'].map(code => kindOf(code)),
    ['read-only', 'conflict', 'conflict', 'busy', 'busy', 'busy', 'statement', 'statement', 'statement'],
  );
  assert.equal(kindOf('25001', 'call_bool_check_hook'), 'read-only');
  assert.equal(kindOf('25001', 'PreventInTransactionBlock'), 'statement');
  assert.deepEqual([undefined, null, 'text', {}].map(engine.kindOf), Array(4).fill('statement'));
});

test('a statement that no transaction may hold is not an attempt to write', async () => {
  await using engine = await openEngine(await server.database());
  const error = await rejectionOf(inTransaction(engine, 'readWrite', 'VACUUM'));
  assert.equal((error as { code?: string }).code, '25001');
  assert.equal(engine.kindOf(error), 'statement');
});

test('a statement with the wrong number of values does not count as a lost connection', async () => {
  await using engine = await openEngine(await server.database());
  const transaction = await engine.begin('read');
  const error = await rejectionOf(rowsOf(transaction, 'SELECT $1::int, $2::int', 1));
  assert.equal((error as { code?: string }).code, '08P01');
  assert.equal(engine.kindOf(error), 'statement');
  await transaction.rollback();
});

test('Kysely reads the tables of the database through its dialect', async () => {
  await using engine = await openEngine(await server.database());
  await inTransaction(engine, 'readWrite', 'CREATE TABLE item (id int)');
  const { createAdapter, createQueryCompiler, createIntrospector } = engine.dialect;
  assert.equal(createAdapter().supportsReturning, true);
  const transaction = await engine.begin('read');
  class OnTransaction extends DummyDriver {
    override async acquireConnection(): Promise<DatabaseConnection> {
      return {
        executeQuery: async <R>(query: CompiledQuery) => (await transaction.execute(query)) as QueryResult<R>,
        streamQuery: () => assert.fail('no caller streams'),
      };
    }
  }
  const db = new Kysely<unknown>({
    dialect: { createAdapter, createQueryCompiler, createIntrospector, createDriver: () => new OnTransaction() },
  });
  const tables = await db.introspection.getTables();
  assert.deepEqual(
    tables.map(({ name }) => name),
    ['item'],
  );
  await transaction.commit();
});

test('close ends all connections, and may be called again', async () => {
  const url = await server.database();
  const engine = await openEngine(url);
  const readers = await Promise.all([1, 2, 3].map(() => engine.begin('read')));
  await Promise.all(readers.map(reader => reader.commit()));
  await inTransaction(engine, 'readWrite', 'SELECT 1');
  await Promise.all([engine.close(), engine.close()]);
  await engine.close();
  await using other = await connectOther(url);
  await until(async () => {
    const { rowCount } = await other.client.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'drone%'",
    );
    return rowCount === 0;
  });
});

test('close does not wait for a server that does not take leave', async () => {
  const url = await server.database();
  await using proxy = await startTcpProxy({ host: server.host, port: server.port });
  const engine = await openEngine(server.through(url, { port: String(proxy.port) }), {}, { goodbyeMs: 50 });
  await inTransaction(engine, 'readWrite', 'SELECT 1');
  proxy.halfOpen();
  await engine.close();
});

test('an unused open engine lets its process exit', async () => {
  const program = fileURLToPath(new URL('programs/idle-program.js', import.meta.url));
  const args = [program, await server.database()];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(String(line), 'idle\n');
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 0);
});
