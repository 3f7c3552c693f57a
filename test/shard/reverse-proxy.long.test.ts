/** Shards behind a real nginx: as its defaults are, and as docs/reverse-proxies.md sets it up. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import Fastify from 'fastify';
import {
  HttpMasterLink,
  type QueueEntryRow,
  ShardClient,
  type ShardClientOptions,
  ShardMaster,
  shardRoutes,
} from 'drone-task-queue/shard';
import { leakCheck } from '../support/leak-check.js';
import { startNginx } from '../support/nginx.js';
import { type Certificates, makeCertificates } from './certificates.js';
import { addRows, entry, type Farm, FINISHED_ON, host, job, openFarm, rowsOf } from './farm.js';
import { Told } from './scripted-link.js';

const COMPLETED = { status: 'Completed', finished_on: FINISHED_ON, complete: 1 } as const;
const SHARD = { id: 4, hostname: 'shard4' };
const MIB = 2 ** 20;

let certificates: Certificates;
before(async () => {
  certificates = await makeCertificates();
  // Installed here, if need be, and not while a test waits.
  await using _ = await startNginx(port => `server { listen 127.0.0.1:${String(port)}; }`);
});
leakCheck();

/** The `server` block of the documentation, with this test's ports and certificate. */
async function documentedServer(port: number, masterPort: number): Promise<string> {
  const page = await readFile(new URL('../../docs/reverse-proxies.md', import.meta.url), 'utf8');
  const [, block] = /```nginx\n([^]*?)```/.exec(page) ?? [];
  assert.ok(block !== undefined);
  const changes: [string, string][] = [
    ['listen 443 ssl;', `listen 127.0.0.1:${String(port)} ssl;`],
    ['/etc/ssl/farm.example.org.crt', 'cert.pem'],
    ['/etc/ssl/private/farm.example.org.key', 'key.pem'],
    ['127.0.0.1:8490', `127.0.0.1:${String(masterPort)}`],
  ];
  return changes.reduce((text, [from, to]) => {
    assert.ok(text.includes(from), `the page has ${from}`);
    return text.replace(from, to);
  }, block);
}

/** Its default limit, 1 MiB, would make a test of many jobs slow. */
const SMALL = 100_000;
const smallServer = (port: number, masterPort: number): string =>
  plainServer(port, masterPort).replace('location', `client_max_body_size ${String(SMALL)}; location`);

const plainServer = (port: number, masterPort: number): string =>
  `server { listen 127.0.0.1:${String(port)}; location / { proxy_pass http://127.0.0.1:${String(masterPort)}; } }`;

interface Behind extends AsyncDisposable {
  readonly master: Farm;
  readonly shard: Farm;
  readonly client: ShardClient;
  readonly told: Told;
  /** The bytes of each request that reached the master, and the addresses that they came from. */
  readonly reached: { readonly bytes: number; readonly ip: string; readonly requestId: string }[];
}

/** A master, nginx before it, and a shard that speaks to it through nginx. */
async function startBehind(
  server: (port: number, masterPort: number) => string | Promise<string>,
  options: Partial<ShardClientOptions> = {},
): Promise<Behind> {
  const opened: AsyncDisposable[] = [];
  const end = async (): Promise<void> => {
    for (const each of opened.reverse()) await each[Symbol.asyncDispose]();
  };
  const open = <T extends AsyncDisposable>(each: T): T => {
    opened.push(each);
    return each;
  };
  try {
    const master = open(await openFarm({ memory: true }));
    const shard = open(await openFarm({ memory: true }));
    await addRows(master, {
      farm_shard: [SHARD],
      farm_label: [{ id: 7, name: 'rack-4' }],
      farm_shard_label: [{ shard_id: 4, label_id: 7 }],
      farm_host: [host(1)],
      farm_host_label: [{ host_id: 1, label_id: 7 }],
    });
    const reached: Behind['reached'][number][] = [];
    const app = open(Fastify({ forceCloseConnections: true, trustProxy: '127.0.0.1' }));
    app.addHook('onRequest', async request => {
      reached.push({
        bytes: Number(request.headers['content-length']),
        ip: request.ip,
        requestId: String(request.headers['x-request-id']),
      });
    });
    await app.register(shardRoutes(new ShardMaster(master)));
    const masterPort = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
    // Made before nginx has a port, which stands in it as 0.
    const text = await server(0, masterPort);
    const isTls = text.includes(' ssl;');
    const files = { 'cert.pem': certificates.cert, 'key.pem': certificates.key };
    const nginx = open(
      await startNginx(port => text.replace('listen 127.0.0.1:0', `listen 127.0.0.1:${String(port)}`), files),
    );
    const token = await new ShardMaster(master).createToken('shard4');
    const url = `${isTls ? 'https://localhost' : 'http://127.0.0.1'}:${String(nginx.port)}`;
    const link = open(new HttpMasterLink({ url, token, ...(isTls ? { tls: { ca: certificates.ca } } : {}) }));
    const told = new Told();
    const settings = { shardHostname: 'shard4', random: () => 0, log: told.log, ...options };
    const client = new ShardClient(shard, link, settings);
    return { master, shard, client, told, reached, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Finished jobs on both sides, each with this much that gzip cannot make small. */
async function addFinished({ master, shard }: Behind, bytes: readonly number[]): Promise<void> {
  for (const [at, size] of bytes.entries()) {
    const id = at + 20;
    const command = randomBytes(Math.ceil(size * 0.75)).toString('base64');
    await addRows(shard, { farm_job: [job(id, { command })], farm_queue_entry: [entry(id * 10, id, COMPLETED)] });
    await addRows(master, { farm_job: [job(id, { shard_id: 4 })], farm_queue_entry: [entry(id * 10, id)] });
  }
}

async function completed({ master }: Behind): Promise<number[]> {
  const entries: QueueEntryRow[] = await rowsOf(master, 'farm_queue_entry');
  return entries.filter(({ complete }) => complete === 1).map(row => row.job_id);
}

async function hostsOf({ shard }: Behind): Promise<number[]> {
  return (await rowsOf(shard, 'farm_host')).map(({ id }) => id);
}

test('behind the 1 MiB of nginx a shard gets work at once, and uploads in smaller pieces', async () => {
  await using behind = await startBehind(plainServer);
  await addFinished(behind, Array<number>(12).fill(300_000));
  assert.equal(await behind.client.doHeartbeat(), true);
  assert.deepEqual(await hostsOf(behind), [1]);
  const first = await completed(behind);
  assert.ok(first.length >= 1 && first.length < 12, String(first));
  assert.ok(behind.reached.every(({ bytes }) => bytes <= MIB));
  for (let time = 0; time < 12 && (await completed(behind)).length < 12; time++) {
    assert.equal(await behind.client.doHeartbeat(), true);
  }
  assert.equal((await completed(behind)).length, 12);
  const warned = behind.told.lines.filter(line => line.startsWith('warn'));
  assert.equal(warned.length, 1);
  assert.match(warned[0] ?? '', /too large, and the next one is smaller: .* answered 413; \d+ bytes were sent: raise/);
});

test('a job that nginx refuses alone is left out and logged, and keeps back neither others nor new work', async () => {
  await using behind = await startBehind(smallServer);
  await addFinished(behind, [30_000, 2 * SMALL, 30_000, 4 * SMALL, 30_000]);
  for (let time = 0; time < 6 && (await completed(behind)).length < 3; time++) {
    assert.equal(await behind.client.doHeartbeat(), true);
  }
  assert.deepEqual(await completed(behind), [20, 22, 24]);
  assert.deepEqual(await hostsOf(behind), [1]);
  assert.ok(
    behind.told.lines.some(line =>
      / are too large for the master, or for a proxy in front of it, .*: 2[13]/.test(line),
    ),
    behind.told.lines.join('\n'),
  );
});

test('more jobs that are refused alone than a heartbeat tries do not keep new work back', async () => {
  await using behind = await startBehind(smallServer);
  await addFinished(behind, Array<number>(13).fill(2 * SMALL));
  assert.equal(await behind.client.doHeartbeat(), true);
  assert.deepEqual([await hostsOf(behind), await completed(behind)], [[1], []]);
});

test('a packet whose ids alone are too large fails the heartbeat with the sizes and what to raise', async () => {
  const server = (port: number, masterPort: number): string =>
    plainServer(port, masterPort).replace('location', 'client_max_body_size 200; location');
  await using behind = await startBehind(server);
  await addRows(behind.shard, {
    farm_host: Array.from({ length: 300 }, (_, at) => host(at * 7 + 1, { status: randomBytes(6).toString('hex') })),
  });
  assert.equal(await behind.client.doHeartbeat(), false);
  assert.equal(behind.client.failuresInARow, 1);
  assert.match(behind.told.lines.join('\n'), /^error .* answered 413; \d+ bytes were sent: raise maxPacketBytes/);
});

test('through nginx as documented an upload of several MiB goes whole, and the master knows the shard’s address', async () => {
  await using behind = await startBehind(documentedServer);
  await addFinished(behind, Array<number>(4).fill(MIB));
  assert.equal(await behind.client.doHeartbeat(), true);
  assert.deepEqual([await hostsOf(behind), (await completed(behind)).length], [[1], 4]);
  const [request] = behind.reached;
  assert.equal(behind.reached.length, 1);
  assert.equal(request?.ip, '127.0.0.1');
  assert.match(request.requestId, /^[0-9a-f]{32}$/, 'the id that nginx gives');
});
