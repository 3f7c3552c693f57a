/** A master's routes, over real HTTP. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { HttpMasterLink, shardRoutes, type ShardRoutesOptions } from 'drone-task-queue/shard';
import { FakeClock, Gate } from 'drone-task-queue/testing';
import Fastify, { type FastifyInstance } from 'fastify';
import { until } from '../support/until.js';
import { leakCheck } from '../support/leak-check.js';
import { type Answer, ask } from './ask.js';
import { emptyPacket, emptyReply, FakeMaster } from './fake-master.js';
import { Told } from './scripted-link.js';

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

test('the health of a master is served without a token', async () => {
  await using serving = await serve();
  const answer = await ask(`${serving.url}/v1/health`);
  assert.deepEqual([answer.status, answer.json()], [200, { status: 'ok', version: 1 }]);
});

const REFUSED: readonly (readonly [name: string, sent: Sent, status: number, code: string])[] = [
  ['without a token', { token: '' }, 401, 'ERR_TOKEN_MISSING'],
  ['with a token of another scheme', { token: '', headers: { authorization: 'Basic abc' } }, 401, 'ERR_TOKEN_MISSING'],
  ['with an unknown token', { token: 'guessed' }, 401, 'ERR_TOKEN_UNKNOWN'],
  ["with another shard's token", { token: 'token-2' }, 403, 'ERR_OTHER_SHARD'],
  ['that is not JSON', { body: '{"version":' }, 400, 'ERR_PACKET_MALFORMED'],
  ['of no bytes', { body: '' }, 400, 'ERR_PACKET_MALFORMED'],
  ['that is not UTF-8', { body: Buffer.from([0x22, 0xff, 0x22]) }, 400, 'ERR_PACKET_MALFORMED'],
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
  ['of a later version', { body: JSON.stringify({ ...emptyPacket, version: 2 }) }, 400, 'ERR_PACKET_SCHEMA'],
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

test('a failure in the master is reported by its request id, and by no more', async () => {
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
  assert.match(line.message, /^shard_master: a heartbeat of shard-1 failed: the disk at/);
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

test('a shard that comes too often gets a time to come again, and others do not', async () => {
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
  assert.throws(make({ stats: { host: '' } }), { code: 'ERR_INVALID_ARG', message: /stats.host is ''/ });
  assert.throws(make({ log: {} }), { code: 'ERR_INVALID_ARG', message: /log.debug/ });
});

const TOO_LONG: readonly (readonly [list: string, item: string, most: number])[] = [
  ['jobs', '0', 10_000],
  ['entries', '0', 500_000],
  ['knownJobIds', '0', 500_000],
  ['knownHosts', '{}', 500_000],
];

for (const [list, item, most] of TOO_LONG) {
  test(`a packet with more ${list} than it may have is refused for their number, and not looked at`, async () => {
    await using serving = await serve();
    const empty = JSON.stringify({ ...emptyPacket, [list]: [] });
    const body = gzipSync(empty.replace(`"${list}":[`, `"${list}":[${`${item},`.repeat(most)}${item}`));
    const refusal = refusalIn(await heartbeat(serving, { headers: { 'content-encoding': 'gzip' }, body }));
    assert.equal(refusal.code, 'ERR_PACKET_SCHEMA');
    assert.equal(refusal.message, `the packet's /${list} must not have more than ${String(most)} items`);
    assert.deepEqual(serving.master.heard, []);
  });
}

const HOSTILE: readonly (readonly [what: string, jobs: () => string, message: string])[] = [
  ['lists in lists', () => '['.repeat(20) + ']'.repeat(20), 'has more than 16 levels'],
  ['brackets in a text', () => JSON.stringify('\\"[{'.repeat(2_200_000)), ''],
  [
    'fields of one object',
    () => JSON.stringify(Object.fromEntries(Array.from({ length: 1_001 }, (_, at) => [at, 0]))),
    'has more than 1000 fields in one object',
  ],
  ['objects', () => `[${'{},'.repeat(2_100_000)}{}]`, 'has more than 2100000 lists and objects'],
  ['values', () => `[${'0,'.repeat(8_000_001)}0]`, 'has more than 8000000 values'],
];

for (const [what, job, message] of HOSTILE) {
  test(`a packet of all too many ${what} is ${message === '' ? 'taken' : 'refused before it is parsed'}`, async () => {
    await using serving = await serve();
    const body = gzipSync(JSON.stringify({ ...emptyPacket, jobs: [] }).replace('"jobs":[', `"jobs":[${job()}`));
    const answer = await heartbeat(serving, { headers: { 'content-encoding': 'gzip' }, body });
    if (message === '') assert.equal(answer.status, 200);
    else {
      const refusal = refusalIn(answer);
      assert.deepEqual(
        [answer.status, refusal.code, refusal.message],
        [413, 'ERR_PACKET_TOO_LARGE', `the packet ${message}`],
      );
    }
    assert.equal(serving.master.heard.length, message === '' ? 1 : 0);
  });
}

test('a packet of the default size is refused for the one bad id of many without going through all that is bad', async () => {
  await using serving = await serve();
  const body = JSON.stringify({ ...emptyPacket, knownJobIds: [...Array<number>(499_999).fill(1), 0] });
  const sent = { headers: { 'content-encoding': 'gzip' }, body: gzipSync(body) };
  assert.match(refusalIn(await heartbeat(serving, sent)).message, /knownJobIds\/499999 must be >= 1$/);
});

test('a packet that is not JSON is quoted neither in the answer nor in the log', async () => {
  await using serving = await serve();
  const { message } = refusalIn(await heartbeat(serving, { body: 'private' }));
  assert.equal(message, 'the packet is not valid JSON, in 7 bytes');
  assert.doesNotMatch(JSON.stringify(serving.lines), /private/);
});

test('a packet may be sent as gzip in capitals', async () => {
  await using serving = await serve();
  const body = gzipSync(JSON.stringify(emptyPacket));
  assert.equal((await heartbeat(serving, { headers: { 'content-encoding': 'GZIP' }, body })).status, 200);
});

test('a shard that is removed while its heartbeat is at work has no token any more, and nothing has failed', async () => {
  await using serving = await serve();
  serving.master.reply = () => {
    throw Object.assign(new Error('no shard has that hostname'), { code: 'ERR_UNKNOWN_SHARD' });
  };
  const answer = await heartbeat(serving);
  assert.deepEqual([answer.status, refusalIn(answer).code], [401, 'ERR_TOKEN_UNKNOWN']);
  assert.equal(answer.headers['www-authenticate'], 'Bearer');
  assert.deepEqual(
    serving.lines.map(({ level }) => level),
    ['warn'],
  );
});

test('the lines of a log tell the request id in their text', async () => {
  await using serving = await serve();
  serving.master.reply = () => {
    throw new Error('full');
  };
  await heartbeat(serving, { headers: { 'x-request-id': 'r-1' } });
  await heartbeat(serving, { token: '', headers: { 'x-request-id': 'r-2' } });
  const [failed, refused] = serving.lines.map(({ message }) => message);
  assert.equal(failed, 'shard_master: a heartbeat of shard-1 failed: full (ERR_MASTER_FAILED, request r-1)');
  assert.match(refused ?? '', /\(ERR_TOKEN_MISSING, request r-2\)$/);
});

test('a shard has one heartbeat at work at a time, and others have theirs', async () => {
  await using serving = await serve();
  const gate = new Gate();
  serving.master.reply = async () => {
    await gate.wait();
    return emptyReply;
  };
  const first = heartbeat(serving);
  await gate.arrived();
  const second = await heartbeat(serving);
  assert.deepEqual([second.status, refusalIn(second).code], [429, 'ERR_HEARTBEAT_UNDER_WAY']);
  assert.equal(second.headers['retry-after'], '5');
  serving.master.reply = () => emptyReply;
  const body = JSON.stringify({ ...emptyPacket, shardHostname: 'shard-2' });
  assert.equal((await heartbeat(serving, { token: 'token-2', body })).status, 200);
  gate.open();
  assert.equal((await first).status, 200);
  assert.equal((await heartbeat(serving)).status, 200);
});

/** A heartbeat of which the socket is in the test's hands. */
async function halfHeartbeat({ url }: Serving, bodyBytes: number): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined); // It is cut off.
  await once(socket, 'connect');
  const body = JSON.stringify(emptyPacket);
  const head = ['POST /v1/heartbeat HTTP/1.1', `host: ${hostname}`, 'authorization: Bearer token-1'];
  head.push('content-type: application/json', `content-length: ${String(body.length)}`);
  socket.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, bodyBytes)}`);
  return socket;
}

test('a heartbeat that its shard has given up is at work until the master is done with it', async () => {
  let closed = 0;
  const app = Fastify();
  app.addHook('onRequest', async (_request, reply) => {
    reply.raw.once('close', () => (closed += 1));
  });
  await using serving = await serve({}, app);
  const gate = new Gate();
  serving.master.reply = async () => {
    await gate.wait();
    return emptyReply;
  };
  const socket = await halfHeartbeat(serving, Infinity);
  await gate.arrived();
  socket.resetAndDestroy();
  await until(() => closed === 1);
  assert.equal((await heartbeat(serving)).status, 429);
  gate.open();
  await until(async () => (await heartbeat(serving)).status === 200);
});

test('a heartbeat whose packet does not come to its end is cut off by the next one', async () => {
  const app = Fastify();
  const gate = new Gate();
  app.addHook('preParsing', async () => gate.wait());
  await using serving = await serve({}, app);
  const socket = await halfHeartbeat(serving, 5);
  await gate.arrived();
  gate.open();
  const cutOff = once(socket, 'close');
  assert.equal((await heartbeat(serving)).status, 200);
  await cutOff;
  assert.equal((await heartbeat(serving)).status, 200);
});

test('a heartbeat whose connection has gone before its work begins is none of the master', async () => {
  const app = Fastify();
  const gate = new Gate();
  const closed = new Gate();
  app.addHook('preHandler', async (_request, reply) => {
    reply.raw.once('close', () => closed.open());
    await gate.wait();
  });
  await using serving = await serve({}, app);
  const socket = await halfHeartbeat(serving, Infinity);
  await gate.arrived();
  socket.resetAndDestroy();
  await closed.wait();
  gate.open();
  await until(() => serving.lines.some(({ message }) => message.includes('its connection closed before')));
  assert.deepEqual(serving.master.heard, []);
});

/** Of heartbeats without a packet, all over one connection. */
async function statusesOf(
  { url }: Serving,
  tokens: readonly string[],
  addresses: readonly string[] = [],
): Promise<number[]> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const heads = tokens.map(
    (token, at) =>
      `POST /v1/heartbeat HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\ncontent-length: 0\r\n` +
      `x-forwarded-for: ${addresses[at] ?? hostname}\r\n` +
      `connection: ${at === tokens.length - 1 ? 'close' : 'keep-alive'}\r\n\r\n`,
  );
  socket.write(heads.join(''));
  return Array.from((await text(socket)).matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status]) => Number(status));
}

test('strangers get only so many looks at tokens, and shut out no shard that was there before', async () => {
  const clock = new FakeClock();
  await using serving = await serve({ clock });
  const looks: string[] = [];
  const { master } = serving;
  const hostnameOfToken = master.hostnameOfToken.bind(master);
  master.hostnameOfToken = token => {
    looks.push(token);
    return hostnameOfToken(token);
  };
  assert.equal((await heartbeat(serving)).status, 200);
  const guessed = Array<string>(600).fill('guessed');
  assert.deepEqual(
    await statusesOf(serving, guessed),
    guessed.map(() => 401),
  );
  const refused = await heartbeat(serving, { token: 'guessed' });
  assert.deepEqual([refused.status, refusalIn(refused).code], [429, 'ERR_TOO_MANY_TOKENS']);
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal(looks.length, 601);
  assert.equal((await heartbeat(serving)).status, 200);
  await clock.advance(100);
  assert.equal((await heartbeat(serving, { token: 'guessed' })).status, 401);
});

test('a shard that comes too often is refused without a look at its token, and a void token counts for no shard', async () => {
  const clock = new FakeClock();
  await using serving = await serve({ heartbeatsPerMinute: 2, clock });
  const { master } = serving;
  const hostnameOfToken = master.hostnameOfToken.bind(master);
  let looks = 0;
  master.hostnameOfToken = token => {
    looks += 1;
    return hostnameOfToken(token);
  };
  for (const status of [200, 200, 429, 429]) assert.equal((await heartbeat(serving)).status, status);
  assert.equal(looks, 2);
  master.hostnameOfToken = async () => undefined;
  await clock.advance(30_000);
  const refused = [await heartbeat(serving), await heartbeat(serving)].map(({ status }) => status);
  assert.deepEqual(refused, [401, 401], 'the second one is of no shard, and counts for none');
});

test('looks that find a shard, or fail, do not count as those of a stranger', async () => {
  const clock = new FakeClock();
  await using serving = await serve({ clock, heartbeatsPerMinute: Infinity });
  const { master } = serving;
  master.hostnameOfToken = () => Promise.reject(new Error('the store is busy'));
  const tokens = Array.from({ length: 400 }, (_, at) => `token-${String(at)}`);
  assert.deepEqual(
    await statusesOf(serving, tokens),
    tokens.map(() => 500),
  );
  master.hostnameOfToken = async token => token;
  // They are let in, and have no packet.
  assert.deepEqual(
    await statusesOf(serving, tokens),
    tokens.map(() => 400),
  );
});

test('what can be refused without end is a warning once an hour', async () => {
  const clock = new FakeClock();
  await using serving = await serve({ clock });
  const levelsOf = async (...tokens: readonly string[]): Promise<string[]> => {
    serving.lines.length = 0;
    for (const token of tokens) await heartbeat(serving, { token });
    return serving.lines.map(({ level }) => level);
  };
  assert.deepEqual(await levelsOf('guessed', 'guessed', '', ''), ['warn', 'debug', 'warn', 'debug']);
  assert.deepEqual(await levelsOf('token-2', 'token-2', 'token-3'), ['warn', 'debug', 'warn'], 'for each shard');
  await clock.advance(3_599_999);
  assert.deepEqual(await levelsOf('guessed'), ['debug']);
  await clock.advance(1);
  assert.deepEqual(await levelsOf('guessed', 'guessed'), ['warn', 'debug']);
});

test('strangers who come from everywhere keep no warning about a shard from its log', async () => {
  const app = Fastify({ trustProxy: true });
  await using serving = await serve({}, app);
  const addresses = Array.from({ length: 1_001 }, (_, at) => `10.0.${String(at >> 8)}.${String(at & 255)}`);
  await statusesOf(
    serving,
    addresses.map(() => 'guessed'),
    addresses,
  );
  assert.deepEqual(serving.lines.map(({ level }) => level).slice(999), ['warn', 'debug']);
  await heartbeat(serving, { body: 'no packet' });
  assert.equal(serving.lines.at(-1)?.level, 'warn');
});

test('routes tell of refusals by their codes, and of sizes, as metrics', async () => {
  const told = new Told();
  await using serving = await serve({ name: 'one', stats: told.stats });
  const body = JSON.stringify(emptyPacket);
  await heartbeat(serving, { headers: { 'content-encoding': 'gzip' }, body: gzipSync(body) });
  await heartbeat(serving, { token: '' });
  for (let time = 0; time < 2; time++) await heartbeat(serving, { token: 'guessed' });
  serving.master.reply = () => {
    throw new Error('full');
  };
  await heartbeat(serving);
  assert.deepEqual(Object.fromEntries(told.counters), {
    'drone_task_queue.one.refusals.ERR_TOKEN_MISSING': 1,
    'drone_task_queue.one.refusals.ERR_TOKEN_UNKNOWN': 2,
    'drone_task_queue.one.refusals.ERR_MASTER_FAILED': 1,
  });
  assert.deepEqual(Object.fromEntries(told.gauges), {
    'drone_task_queue.one.request_size': body.length,
    'drone_task_queue.one.response_size': JSON.stringify(emptyReply).length,
  });
});
