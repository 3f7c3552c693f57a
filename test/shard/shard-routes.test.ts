/** A master's routes, over real HTTP. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { HttpMasterLink, shardRoutes, type ShardRoutesOptions } from 'drone-task-queue/shard';
import { FakeClock, Gate } from 'drone-task-queue/testing';
import Fastify, { type FastifyInstance } from 'fastify';
import { leakCheck } from '../leak-check.js';
import { type Answer, ask } from './ask.js';
import { emptyPacket, emptyReply, FakeMaster } from './fake-master.js';

leakCheck();

interface Serving {
  readonly app: FastifyInstance;
  readonly url: string;
  readonly master: FakeMaster;
  readonly lines: { readonly level: string; readonly message: string; readonly fields: Record<string, unknown> }[];
  [Symbol.asyncDispose](): Promise<void>;
}

async function serve(options: ShardRoutesOptions = {}, app: FastifyInstance = Fastify()): Promise<Serving> {
  const master = new FakeMaster();
  const lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const on =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      lines.push({ level, message, fields });
    };
  const log = { debug: on('debug'), info: on('info'), warn: on('warn'), error: on('error') };
  await app.register(shardRoutes(master, { log, ...options }));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, url, master, lines, [Symbol.asyncDispose]: () => app.close() };
}

interface Sent {
  readonly token?: string | undefined;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

function heartbeat({ url }: Serving, { token = 'token-1', headers = {}, body }: Sent = {}): Promise<Answer> {
  return ask(`${url}/v1/heartbeat`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: body ?? JSON.stringify(emptyPacket),
  });
}

function refusalIn(answer: Answer): { code: string; message: string; requestId: string } {
  const { error, ...rest } = answer.json() as { error: { code: string; message: string; requestId: string } };
  assert.deepEqual(rest, {});
  assert.deepEqual(Object.keys(error), ['code', 'message', 'requestId']);
  return error;
}

test('a packet goes to the master as it was sent, and its reply comes back', async () => {
  await using serving = await serve();
  const packet = { ...emptyPacket, knownJobIds: [3, 4], jobs: [{ id: 5, name: 'ä' }], later: { versions: 'may' } };
  const reply = { ...emptyReply, hosts: [{ id: 1 }], acknowledgedJobIds: [5] };
  serving.master.reply = () => reply;
  const answer = await heartbeat(serving, { body: JSON.stringify(packet) });
  assert.deepEqual([answer.status, answer.json()], [200, reply]);
  assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
  assert.deepEqual(serving.master.heard, [{ shardHostname: 'shard-1', packet }]);
});

test('the health of a master is told without a token', async () => {
  await using serving = await serve();
  const answer = await ask(`${serving.url}/v1/health`);
  assert.deepEqual([answer.status, answer.json()], [200, { status: 'ok', version: 1 }]);
});

const REFUSED: readonly (readonly [name: string, sent: Sent, status: number, code: string])[] = [
  ['without a token', { token: '' }, 401, 'ERR_TOKEN_MISSING'],
  ['with a token of another scheme', { token: '', headers: { authorization: 'Basic abc' } }, 401, 'ERR_TOKEN_MISSING'],
  ["with nobody's token", { token: 'guessed' }, 401, 'ERR_TOKEN_UNKNOWN'],
  ["with another shard's token", { token: 'token-2' }, 403, 'ERR_OTHER_SHARD'],
  ['that is no JSON', { body: '{"version":' }, 400, 'ERR_PACKET_MALFORMED'],
  ['of no bytes', { body: '' }, 400, 'ERR_PACKET_MALFORMED'],
  ['that is no UTF-8', { body: Buffer.from([0x22, 0xff, 0x22]) }, 400, 'ERR_PACKET_MALFORMED'],
  ['that says it is gzip and is not', { headers: { 'content-encoding': 'gzip' } }, 400, 'ERR_PACKET_MALFORMED'],
  [
    'whose gzip is cut off',
    { headers: { 'content-encoding': 'gzip' }, body: gzipSync(JSON.stringify(emptyPacket)).subarray(0, -9) },
    400,
    'ERR_PACKET_MALFORMED',
  ],
  ['in an encoding that is not served', { headers: { 'content-encoding': 'br' } }, 415, 'ERR_PACKET_TYPE'],
  ['of another content type', { headers: { 'content-type': 'text/plain' } }, 415, 'ERR_PACKET_TYPE'],
  ['that is null', { body: 'null' }, 400, 'ERR_PACKET_SCHEMA'],
  [
    'with a text for a number',
    { body: JSON.stringify({ ...emptyPacket, knownJobIds: ['5'] }) },
    400,
    'ERR_PACKET_SCHEMA',
  ],
  ['with one id for a list', { body: JSON.stringify({ ...emptyPacket, knownJobIds: 5 }) }, 400, 'ERR_PACKET_SCHEMA'],
  ['without a field', { body: JSON.stringify({ ...emptyPacket, entries: undefined }) }, 400, 'ERR_PACKET_SCHEMA'],
  ['larger than it may be', { body: Buffer.alloc(5000, 0x20) }, 413, 'ERR_PACKET_TOO_LARGE'],
  [
    'that inflates to more than it may',
    { headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(1_000_000, 0x20)) },
    413,
    'ERR_PACKET_TOO_LARGE',
  ],
];

for (const [name, sent, status, code] of REFUSED) {
  test(`a heartbeat ${name} is refused with ${String(status)} and reaches no master`, async () => {
    await using serving = await serve({ maxPacketBytes: 4096 });
    const answer = await heartbeat(serving, sent);
    const refusal = refusalIn(answer);
    assert.deepEqual([answer.status, refusal.code], [status, code]);
    assert.deepEqual(serving.master.heard, []);
    const [line] = serving.lines;
    assert.deepEqual([line?.level, line?.fields['code'], line?.fields['requestId']], ['warn', code, refusal.requestId]);
    assert(!answer.body.includes('    at '), 'no stack');
    assert(!JSON.stringify(serving.lines).includes('guessed'), 'no token');
    assert.equal(answer.headers['www-authenticate'], status === 401 ? 'Bearer' : undefined);
  });
}

test('a schema refusal names the field and not what is in it', async () => {
  await using serving = await serve();
  const body = JSON.stringify({ ...emptyPacket, knownHosts: [{ id: 1, status: 'Ready' }, { id: 'private' }] });
  const { message } = refusalIn(await heartbeat(serving, { body }));
  assert.match(message, /knownHosts\/1/);
  assert.doesNotMatch(message, /private/);
});

test('a packet may be sent as gzip', async () => {
  await using serving = await serve();
  const body = gzipSync(JSON.stringify(emptyPacket));
  const answer = await heartbeat(serving, { headers: { 'content-encoding': 'gzip' }, body });
  assert.equal(answer.status, 200);
  assert.deepEqual(serving.master.heard[0]?.packet, emptyPacket);
});

test('a large reply comes as gzip to who takes that, and plain to who does not', async () => {
  await using serving = await serve();
  const reply = { ...emptyReply, hosts: Array.from({ length: 1000 }, (_, at) => ({ id: at + 1, hostname: 'host' })) };
  serving.master.reply = () => reply;
  for (const taken of ['gzip', 'br, gzip;q=0.5']) {
    const small = await heartbeat(serving, { headers: { 'accept-encoding': taken } });
    assert.equal(small.headers['content-encoding'], 'gzip');
    assert.deepEqual(JSON.parse(gunzipSync(small.body).toString()), reply);
  }
  for (const taken of ['', 'identity', 'gzip;q=0', 'gzipped']) {
    const plain = await heartbeat(serving, { headers: { 'accept-encoding': taken } });
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.deepEqual(plain.json(), reply);
  }
  serving.master.reply = () => emptyReply;
  const little = await heartbeat(serving, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(little.headers['content-encoding'], undefined);
});

test('a request id is taken over when it is fit for a log, and made otherwise', async () => {
  await using serving = await serve();
  const idOf = async (given: string): Promise<string> => {
    const answer = await heartbeat(serving, { token: '', headers: { 'x-request-id': given } });
    const { requestId } = refusalIn(answer);
    assert.equal(answer.headers['x-request-id'], requestId);
    return requestId;
  };
  assert.equal(await idOf('proxy-1.7_a'), 'proxy-1.7_a');
  for (const bad of ['two words', 'a"quote', 'x'.repeat(65)]) assert.match(await idOf(bad), /^[0-9a-f-]{36}$/);
});

test('what fails in the master is told by its request id, and by no more', async () => {
  await using serving = await serve();
  serving.master.reply = () => {
    throw new Error('the disk at /var/lib/farm is full');
  };
  const answer = await heartbeat(serving);
  const { code, message, requestId } = refusalIn(answer);
  assert.deepEqual([answer.status, code], [500, 'ERR_MASTER_FAILED']);
  assert.doesNotMatch(message, /disk/);
  const [line] = serving.lines;
  assert.equal(line?.level, 'error');
  assert.match(line.message, /^a heartbeat of shard-1 failed: the disk at/);
  assert.equal(line.fields['requestId'], requestId);
  assert(line.fields['error'] instanceof Error);
});

test('a reply that no shard would take is a failure of the master', async () => {
  await using serving = await serve();
  serving.master.reply = () => ({ ...emptyReply, acknowledgedJobIds: ['5'] });
  const answer = await heartbeat(serving);
  assert.deepEqual([answer.status, refusalIn(answer).code], [500, 'ERR_MASTER_FAILED']);
  assert.match(serving.lines[0]?.message ?? '', /acknowledgedJobIds\/0/);
});

test('a shard that comes too often is told when to come again, and others are not', async () => {
  const clock = new FakeClock();
  await using serving = await serve({ heartbeatsPerMinute: 6, clock });
  const other = JSON.stringify({ ...emptyPacket, shardHostname: 'shard-2' });
  for (let at = 0; at < 6; at++) assert.equal((await heartbeat(serving)).status, 200);
  const refused = await heartbeat(serving);
  assert.deepEqual([refused.status, refusalIn(refused).code], [429, 'ERR_TOO_MANY_HEARTBEATS']);
  assert.equal(refused.headers['retry-after'], '10');
  assert.equal((await heartbeat(serving, { token: 'token-2', body: other })).status, 200);
  await clock.advance(9_999);
  const soon = await heartbeat(serving);
  assert.deepEqual([soon.status, soon.headers['retry-after']], [429, '1']);
  await clock.advance(1);
  assert.equal((await heartbeat(serving)).status, 200);
  assert.equal((await heartbeat(serving)).status, 429);
});

test(
  'closing the server waits for a heartbeat in flight, and not for its connection',
  { timeout: 30_000 },
  async () => {
    await using serving = await serve();
    const gate = new Gate();
    serving.master.reply = async () => {
      await gate.wait();
      return emptyReply;
    };
    await using link = new HttpMasterLink({ url: serving.url, token: 'token-1' });
    const exchange = link.heartbeat(emptyPacket, new AbortController().signal);
    await gate.arrived();
    const closed = serving.app.close();
    gate.open();
    assert.deepEqual((await exchange).reply, emptyReply);
    await closed;
  },
);

test('the rest of the server keeps its own parsers, errors and validation', async () => {
  const app = Fastify();
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) =>
    done(null, `own ${String(body)}`),
  );
  app.setErrorHandler((error, _request, reply) => reply.code(418).send(`own ${(error as Error).message}`));
  app.post('/echo', request => request.body);
  app.get('/fails', () => {
    throw new Error('error');
  });
  await using serving = await serve({}, app);
  const echoed = await ask(`${serving.url}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: 'text',
  });
  assert.equal(echoed.body.toString(), 'own text');
  const failed = await ask(`${serving.url}/fails`);
  assert.deepEqual(
    [failed.status, failed.body.toString(), failed.headers['x-request-id']],
    [418, 'own error', undefined],
  );
  assert.equal((await heartbeat(serving)).status, 200);
});

test('options that routes cannot have are named', () => {
  const make = (options: object) => (): unknown => shardRoutes(new FakeMaster(), options);
  assert.throws(make({ maxPacketByte: 1 }), { code: 'ERR_INVALID_ARG', message: /maxPacketByte/ });
  assert.throws(make({ maxPacketBytes: 0 }), { code: 'ERR_INVALID_ARG', message: /maxPacketBytes is 0/ });
  assert.throws(make({ heartbeatsPerMinute: 0.5 }), { code: 'ERR_INVALID_ARG', message: /heartbeatsPerMinute is 0.5/ });
  assert.throws(make({ log: {} }), { code: 'ERR_INVALID_ARG', message: /log.debug/ });
});
