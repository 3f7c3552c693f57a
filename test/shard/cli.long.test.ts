/** `drone-shard`, run as a program. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { after, before } from 'node:test';
import { promisify } from 'node:util';
import { farmMigrations, type FarmTables, shardRoutes, ShardMaster } from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { Gate } from 'drone-task-queue/testing';
import Fastify from 'fastify';
import { type Place, testDatabases } from '../contract/store/databases.js';
import { until } from '../support/until.js';
import { leakCheck } from '../support/leak-check.js';
import { ask } from './ask.js';
import { makeCertificates } from './certificates.js';
import { emptyReply, FakeMaster } from './fake-master.js';
import { done, Program, PROGRAM, runProgram } from './program.js';

const databases = testDatabases();
let folder = '';
let files = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-shard-'));
});
after(async () => {
  await rm(folder, { recursive: true });
});
leakCheck();

async function fileWith(text: string | object): Promise<string> {
  const path = join(folder, `${String(++files)}.json`);
  await writeFile(path, typeof text === 'string' ? text : JSON.stringify(text));
  return path;
}

function newPath(): string {
  return join(folder, `${String(++files)}.db`);
}

/** On a store that has the farm's tables then. */
async function withMaster<T>(place: Place, work: (farm: ShardMaster<FarmTables>) => Promise<T>): Promise<T> {
  await using store = await Store.open<FarmTables>(place);
  await store.migrate(farmMigrations);
  return await work(new ShardMaster(store));
}

test('what cannot start exits with 2 and one line that says why', async () => {
  const { status, stdout, stderr } = await runProgram(['client', '--log', 'text']);
  assert.deepEqual([status, stdout], [2, '']);
  assert.match(stderr, /^drone-shard: a client needs shardHostname \(DRONE_SHARD_HOSTNAME\): .*\n$/);
});

test('a token file that is empty is named', async () => {
  const tokenFile = await fileWith('\n');
  const env = {
    DRONE_SHARD_HOSTNAME: 'shard-1',
    DRONE_SHARD_MASTER_URL: 'http://127.0.0.1:1',
    DRONE_SHARD_TOKEN_FILE: tokenFile,
  };
  const { status, stderr } = await runProgram(['client', '--once'], env);
  assert.deepEqual([status, stderr.split('\n').at(-2)], [2, `drone-shard: tokenFile ${tokenFile} is empty`]);
});

test('a store without tables is refused, with what makes them', async () => {
  const { status, stderr } = await runProgram(['master'], { DRONE_SHARD_STORE_FILE: newPath() });
  assert.match(stderr, /create them with 'drone-shard migrate'/);
  assert.equal(status, 2);
});

test('from nothing to a heartbeat, over TLS', { timeout: 120_000 }, async () => {
  const { ca, cert, key } = await makeCertificates();
  const [certFile, keyFile, caFile] = [await fileWith(cert), await fileWith(key), await fileWith(ca)];
  const storeFile = newPath();
  const config = ['--config', await fileWith({ storeFile, port: 0, certFile, keyFile })];
  await done(['migrate', ...config]);
  await done(['add-shard', 'shard-1', '--label', 'rack-1', '--label', 'rack-2', ...config]);
  const again = await runProgram(['add-shard', 'shard-1', '--label', 'rack-3', ...config]);
  assert.equal(again.status, 1);
  assert.match(again.stderr, /drone-shard failed: .*shard-1/);
  assert.doesNotMatch(again.stderr, /\n {4}at /);
  const token = await done(['token', 'shard-1', ...config]);
  assert.match(token, /^\S+\n$/);
  await done(['add-host', 'device-1', '--label', 'rack-1', ...config]);
  const labels = await withMaster({ file: storeFile }, farm => farm.listLabels());
  assert.deepEqual(
    labels.map(({ name }) => name),
    ['rack-1', 'rack-2'],
    'one that is refused leaves no labels',
  );

  await using serving = new Program(['master', ...config]);
  const [, masterUrl = ''] = await serving.says('stdout', /^listening on (https:\S+)\n/);
  const shardFile = newPath();
  const tokenFile = await fileWith(token);
  const shard = { shardHostname: 'shard-1', masterUrl, caFile, tokenFile, storeFile: shardFile };
  const shardConfig = ['--config', await fileWith(shard)];
  await done(['migrate', ...shardConfig]);
  const first = await runProgram(['client', '--once', ...shardConfig]);
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stderr, /the heartbeat succeeded: 0 of 0 finished jobs uploaded, 1 records imported\n/);
  await using store = await Store.open<FarmTables>({ file: shardFile });
  const hosts = await store.read(db => db.selectFrom('farm_host').select('hostname').execute());
  assert.deepEqual(hosts, [{ hostname: 'device-1' }]);

  await done(['token', 'shard-1', '--rotate', ...config]);
  const refused = await runProgram(['client', '--once', ...shardConfig]);
  assert.match(refused.stderr, /answered 401/);
  assert(!refused.stderr.includes(token.trim()));
  assert.equal(refused.status, 1);
  serving.kill('SIGTERM');
  const { status, stderr } = await serving.ended();
  assert.equal(status, 0, stderr);
  assert(!stderr.includes(token.trim()));
});

test('a master is on PostgreSQL where its settings say so', { timeout: 60_000 }, async () => {
  const { url = '' } = await databases.postgres.place();
  const env = { DRONE_SHARD_STORE_URL: url };
  await done(['migrate'], env);
  await done(['add-shard', 'shard-1', '--label', 'rack-1'], env);
  const shards = await withMaster({ url }, farm => farm.listShards());
  assert.deepEqual(
    shards.map(({ hostname, labels }) => [hostname, labels]),
    [['shard-1', ['rack-1']]],
  );
});

interface Shard {
  readonly master: FakeMaster;
  readonly env: Readonly<Record<string, string>>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A master in this process, and what a client in another one needs to reach it. */
async function shardOf(master: FakeMaster): Promise<Shard> {
  const app = Fastify({ forceCloseConnections: true });
  await app.register(shardRoutes(master, { heartbeatsPerMinute: Infinity }));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const env = {
    DRONE_SHARD_HOSTNAME: 'shard-1',
    DRONE_SHARD_MASTER_URL: url,
    DRONE_SHARD_TOKEN: 'token-1',
    DRONE_SHARD_STORE_FILE: newPath(),
    DRONE_SHARD_PAUSE_MS: '100000',
  };
  await withMaster({ file: env.DRONE_SHARD_STORE_FILE }, () => Promise.resolve());
  return { master, env, [Symbol.asyncDispose]: () => app.close() };
}

test('a client goes on until SIGINT or SIGTERM, which ends its pause at once', { timeout: 60_000 }, async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    await using shard = await shardOf(new FakeMaster());
    const heard = new Gate();
    heard.open();
    shard.master.reply = async () => {
      await heard.wait();
      return emptyReply;
    };
    await using client = new Program(['client', '--log', 'json'], shard.env);
    await heard.arrived();
    client.kill(signal);
    const { status, stdout, stderr } = await client.ended();
    assert.deepEqual([status, stdout], [0, ''], stderr);
    const lines = stderr
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { level: string; message: string });
    assert(
      lines.every(({ level }) => level === 'info'),
      stderr,
    );
    assert.match(lines.at(-1)?.message ?? '', /shard-1 has stopped/);
  }
});

test('a heartbeat in flight is finished before a client ends', { timeout: 60_000 }, async () => {
  await using shard = await shardOf(new FakeMaster());
  const gate = new Gate();
  shard.master.reply = async () => {
    await gate.wait();
    return { ...emptyReply, jobKeyvals: [{ id: 1, job_id: 7, key: 'a', value: 'b' }] };
  };
  await using client = new Program(['client'], shard.env);
  await gate.arrived();
  client.kill('SIGTERM');
  await client.says('stderr', /SIGTERM: stopping/);
  gate.open();
  const { status, stderr } = await client.ended();
  assert.equal(status, 0, stderr);
  await using store = await Store.open<FarmTables>({ file: shard.env['DRONE_SHARD_STORE_FILE'] });
  assert.equal((await store.read(db => db.selectFrom('farm_job_keyval').selectAll().execute())).length, 1, stderr);
});

test('a second signal ends a client at once, whatever it waits for', { timeout: 60_000 }, async () => {
  await using shard = await shardOf(new FakeMaster());
  const gate = new Gate();
  shard.master.reply = async () => {
    await gate.wait();
    return emptyReply;
  };
  await using client = new Program(['client'], shard.env);
  await gate.arrived();
  client.kill('SIGTERM');
  await client.says('stderr', /SIGTERM: stopping/);
  client.kill('SIGINT');
  const { status } = await client.ended();
  gate.open();
  assert.equal(status, 130);
});

test('one heartbeat that fails exits with 1, and tells why', { timeout: 60_000 }, async () => {
  const master = new FakeMaster();
  await using shard = await shardOf(master);
  master.reply = () => {
    throw new Error('disk full');
  };
  const { status, stderr } = await runProgram(['client', '--once', '--log', 'json'], shard.env);
  assert.equal(status, 1);
  assert.match(stderr, /answered 500: the master failed/);
  for (const line of stderr.trim().split('\n')) assert.equal(typeof JSON.parse(line), 'object');
});

test(
  'a setting of the environment goes before the configuration, and a strange one is reported',
  { timeout: 60_000 },
  async () => {
    await using shard = await shardOf(new FakeMaster());
    const config = await fileWith({
      shardHostname: 'shard-2',
      storeUrl: 'postgres://127.0.0.1:1/farm',
      tokenFile: 'nowhere',
    });
    const env = { ...shard.env, DRONE_SHARD_PAUSE: '5' };
    const { status, stderr } = await runProgram(['client', '--once', '--config', config], env);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /warn unknown setting DRONE_SHARD_PAUSE/);
    assert.equal(shard.master.heard[0]?.shardHostname, 'shard-1');
  },
);

test('a master waits for the heartbeat in flight before it ends', { timeout: 60_000 }, async () => {
  const env = { DRONE_SHARD_STORE_FILE: newPath(), DRONE_SHARD_PORT: '0' };
  const token = await withMaster({ file: env.DRONE_SHARD_STORE_FILE }, async farm => {
    await farm.createShard({ hostname: 'shard-1' });
    return farm.createToken('shard-1');
  });
  await using serving = new Program(['master'], env);
  const [, url = ''] = await serving.says('stdout', /^listening on (http:\S+)\n/);
  const packet = JSON.stringify({
    version: 1,
    shardHostname: 'shard-1',
    knownJobIds: [],
    knownHosts: [],
    jobs: [],
    entries: [],
  });
  // A request that has begun: its body ends when the master has been told to stop.
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const headers = [
    'POST /v1/heartbeat HTTP/1.1',
    'host: farm',
    `authorization: Bearer ${token}`,
    'content-type: application/json',
    `content-length: ${String(packet.length)}`,
    'x-request-id: half-way',
    'expect: 100-continue',
  ];
  socket.write(`${headers.join('\r\n')}\r\n\r\n`);
  const answer = text(socket);
  await once(socket, 'readable');
  serving.kill('SIGTERM');
  await serving.says('stderr', /SIGTERM: stopping/);
  socket.write(packet);
  assert.match(await answer, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);
  const { status, stderr } = await serving.ended();
  assert.equal(status, 0, stderr);
});

test('a master ends although a silent client is connected', { timeout: 60_000 }, async () => {
  const env = { DRONE_SHARD_STORE_FILE: newPath(), DRONE_SHARD_PORT: '0' };
  await done(['migrate'], env);
  await using serving = new Program(['master'], env);
  const [, url = ''] = await serving.says('stdout', /^listening on (http:\S+)\n/);
  const { hostname, port } = new URL(url);
  const silent = connect(Number(port), hostname);
  silent.on('error', () => undefined); // It is cut off.
  await once(silent, 'connect');
  // Answered, so that the master has seen the one before.
  assert.equal((await ask(`${url}/v1/health`)).status, 200);
  serving.kill('SIGTERM');
  const { status, stderr } = await serving.ended();
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /cut off/);
});

test('a master behind a proxy that it trusts logs the addresses of the clients', { timeout: 60_000 }, async () => {
  const env = { DRONE_SHARD_STORE_FILE: newPath(), DRONE_SHARD_PORT: '0' };
  await done(['migrate'], env);
  const wrong = await runProgram(['master'], { ...env, DRONE_SHARD_TRUST_PROXY: 'nginx.example' });
  assert.deepEqual(
    [wrong.status, wrong.stderr.includes('trustProxy is not a list of IP addresses')],
    [2, true],
    wrong.stderr,
  );
  await using serving = new Program(['master'], { ...env, DRONE_SHARD_TRUST_PROXY: '10.0.0.0/8, 127.0.0.1' });
  const [, url = ''] = await serving.says('stdout', /^listening on (http:\S+)\n/);
  const headers = { 'x-forwarded-for': '203.0.113.7, 10.1.2.3' };
  assert.equal((await ask(`${url}/v1/heartbeat`, { method: 'POST', headers })).status, 401);
  await serving.says('stderr', /a request from 203\.0\.113\.7/);
  serving.kill('SIGTERM');
  assert.equal((await serving.ended()).status, 0);
});

test('one heartbeat that is under way is finished when it is to stop', { timeout: 60_000 }, async () => {
  await using shard = await shardOf(new FakeMaster());
  const gate = new Gate();
  shard.master.reply = async () => {
    await gate.wait();
    return emptyReply;
  };
  await using client = new Program(['client', '--once'], shard.env);
  await gate.arrived();
  client.kill('SIGTERM');
  await client.says('stderr', /SIGTERM: stopping/);
  gate.open();
  const { status, stderr } = await client.ended();
  assert.equal(status, 0, stderr);
});

test('a client that is stopped while it starts heartbeats no more', { timeout: 60_000 }, async () => {
  await using shard = await shardOf(new FakeMaster());
  const { DRONE_SHARD_TOKEN: token = '', ...env } = shard.env;
  for (const [args, expected] of [
    [['client'], 0],
    [['client', '--once'], 1],
  ] as const) {
    // It waits there for its token.
    const tokenFile = join(folder, `${String(++files)}.pipe`);
    await promisify(execFile)('mkfifo', ['-m', '600', tokenFile]);
    await using client = new Program(args, { ...env, DRONE_SHARD_TOKEN_FILE: tokenFile });
    await using pipe = await writerOf(tokenFile);
    client.kill('SIGTERM');
    await client.says('stderr', /SIGTERM: stopping/);
    await pipe.writeFile(token);
    await pipe.close();
    const { status, stderr } = await client.ended();
    assert.equal(status, expected, stderr);
  }
  assert.deepEqual(shard.master.heard, []);
});

/** Once it is read. */
async function writerOf(pipe: string): Promise<FileHandle> {
  let writer: FileHandle | undefined;
  await until(async () => {
    writer = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined);
    return writer !== undefined;
  });
  assert(writer !== undefined);
  return writer;
}

test('a master with a caFile takes shards with a certificate only', { timeout: 60_000 }, async () => {
  const { ca, cert, key } = await makeCertificates();
  const tls = { caFile: await fileWith(ca), certFile: await fileWith(cert), keyFile: await fileWith(key) };
  const storeFile = newPath();
  await done(['migrate'], { DRONE_SHARD_STORE_FILE: storeFile });
  const alone = await runProgram(['master', '--config', await fileWith({ storeFile, port: 0, caFile: tls.caFile })]);
  assert.deepEqual([alone.status, /caFile.* needs certFile/.test(alone.stderr)], [2, true], alone.stderr);
  await using serving = new Program(['master', '--config', await fileWith({ storeFile, port: 0, ...tls })]);
  const [, masterUrl = ''] = await serving.says('stdout', /^listening on (https:\S+)\n/);
  const shard = { shardHostname: 'shard-1', masterUrl, storeFile, caFile: tls.caFile };
  const env = { DRONE_SHARD_TOKEN: 'token-1' };
  const without = await runProgram(['client', '--once', '--config', await fileWith(shard)], env);
  assert.match(without.stderr, /the master at .* (cannot be reached|is broken)/);
  const known = await runProgram(['client', '--once', '--config', await fileWith({ ...shard, ...tls })], env);
  assert.match(known.stderr, /answered 401/);
  serving.kill('SIGTERM');
  assert.equal((await serving.ended()).status, 0);
});

test('files of a client for TLS are refused where its master is reached without', async () => {
  const { ca } = await makeCertificates();
  const config = await fileWith({ shardHostname: 'a', masterUrl: 'http://localhost:1', caFile: await fileWith(ca) });
  const { status, stderr } = await runProgram(['client', '--config', config], { DRONE_SHARD_TOKEN: 'token-1' });
  assert.match(stderr, /^drone-shard: tls is .*http:/);
  assert.equal(status, 2);
});

test('a secret that all may read is warned of, and one that they may not is not', { timeout: 60_000 }, async () => {
  await using shard = await shardOf(new FakeMaster());
  const { DRONE_SHARD_TOKEN: token = '', ...env } = shard.env;
  const tokenFile = await fileWith(token);
  const once = { ...env, DRONE_SHARD_TOKEN_FILE: tokenFile };
  await chmod(tokenFile, 0o644);
  assert.match(
    (await runProgram(['client', '--once'], once)).stderr,
    /warn tokenFile holds a secret, and all users may/,
  );
  await chmod(tokenFile, 0o640);
  assert.doesNotMatch((await runProgram(['client', '--once'], once)).stderr, /warn/);
  const config = await fileWith({ storeUrl: 'postgres://127.0.0.1:1/farm' });
  await chmod(config, 0o644);
  const { stderr } = await runProgram(['migrate', '--config', config]);
  assert.match(stderr, /warn a configuration with storeUrl holds a secret/);
});

test('a token that could not be written is a failure that says so', { timeout: 60_000 }, async () => {
  const env = { DRONE_SHARD_STORE_FILE: newPath() };
  await withMaster({ file: env.DRONE_SHARD_STORE_FILE }, farm => farm.createShard({ hostname: 'shard-1' }));
  await using full = await open('/dev/full', 'w');
  const program = spawn(process.execPath, ['--no-warnings', PROGRAM, 'token', 'shard-1'], {
    env,
    stdio: ['ignore', full.fd, 'pipe'],
  });
  const ended = once(program, 'close');
  assert(program.stderr);
  const said = await text(program.stderr);
  assert.deepEqual(await ended, [1, null], said);
  assert.match(said, /the token was created but could not be printed/);
});

test('a store whose tables are older than the program is refused', { timeout: 60_000 }, async () => {
  const file = newPath();
  await withMaster({ file }, () => Promise.resolve());
  {
    await using store = await Store.open<{ kysely_migration: { name: string } }>({ file });
    await store.readWrite('forget', tx => tx.deleteFrom('kysely_migration').execute());
  }
  const { status, stderr } = await runProgram(['master'], { DRONE_SHARD_STORE_FILE: file });
  assert.match(stderr, /lacks tables of a farm: create them with 'drone-shard migrate' \(2026-/);
  assert.equal(status, 2);
});
