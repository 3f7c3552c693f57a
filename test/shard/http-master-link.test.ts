/** A shard's way to its master, over real sockets to good masters and bad ones. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer as createTcpServer, type Server as TcpServer, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import {
  type HeartbeatErrorCode,
  HeartbeatError,
  HttpMasterLink,
  type HttpMasterLinkOptions,
  shardRoutes,
} from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { Gate } from 'drone-task-queue/testing';
import Fastify from 'fastify';
import { leakCheck } from '../support/leak-check.js';
import { makeCertificates } from './certificates.js';
import { emptyPacket, emptyReply, FakeMaster } from './fake-master.js';

leakCheck();

const NEVER = new AbortController().signal;
const TOKEN = 'token-1';
const REPLY = JSON.stringify(emptyReply);
const OK = 'HTTP/1.1 200 OK\r\n';
const JSON_TYPE = 'content-type: application/json\r\n';

interface Listening {
  readonly url: string;
  /** How many connections have come. */
  connections: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A server that waits for the end of a request, by its length, and then does what it likes. */
async function listen(answer: (socket: Socket, connection: number) => void): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server: TcpServer = createTcpServer(socket => {
    sockets.add(socket);
    listening.connections += 1;
    const connection = listening.connections;
    let text = '';
    socket.on('error', () => undefined); // The client ends as it likes.
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
      if (head < 0 || text.length < head + 4 + length) return;
      text = '';
      answer(socket, connection);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const listening: Listening = {
    url: `http://127.0.0.1:${String(port)}`,
    connections: 0,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return listening;
}

function withLength(body: string | Buffer, headers = JSON_TYPE): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([Buffer.from(`${OK}${headers}content-length: ${String(bytes.length)}\r\n\r\n`), bytes]);
}

function chunked(body: Buffer, headers = JSON_TYPE): Buffer {
  const size = body.length.toString(16);
  const head = `${OK}${headers}transfer-encoding: chunked\r\n\r\n${size}\r\n`;
  return Buffer.concat([Buffer.from(head), body, Buffer.from('\r\n0\r\n\r\n')]);
}

async function failureOf(url: string, options: Partial<HttpMasterLinkOptions> = {}): Promise<HeartbeatError> {
  await using link = new HttpMasterLink({ url, token: TOKEN, ...options });
  const error: unknown = await link.heartbeat(emptyPacket, NEVER).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  assert(error instanceof HeartbeatError, `rejects with a HeartbeatError, not with ${String(error)}`);
  for (let each: unknown = error; each instanceof Error; each = each.cause) assert(!each.message.includes(TOKEN));
  return error;
}

test('a heartbeat goes to a real master and back, and tells the sizes of what was said', async () => {
  const master = new FakeMaster();
  await using app = Fastify();
  await app.register(shardRoutes(master), { prefix: '/farm' });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  await using link = new HttpMasterLink({ url: `${url}/farm/`, token: TOKEN });
  const little = await link.heartbeat(emptyPacket, NEVER);
  assert.deepEqual(little.reply, emptyReply);
  assert.equal(little.requestBytes, JSON.stringify(emptyPacket).length);
  assert.equal(little.responseBytes, REPLY.length);

  const packet = { ...emptyPacket, knownJobIds: Array.from({ length: 5000 }, (_, at) => at + 1) };
  const reply = { ...emptyReply, jobs: Array.from({ length: 1000 }, (_, at) => ({ id: at + 1, name: 'ö' })) };
  master.reply = () => reply;
  const large = await link.heartbeat(packet, NEVER);
  assert.deepEqual(large.reply, reply);
  assert.deepEqual(master.heard[1]?.packet, packet);
  assert.equal(large.requestBytes, Buffer.byteLength(JSON.stringify(packet)));
  assert.equal(large.responseBytes, Buffer.byteLength(JSON.stringify(reply)));
});

test('a large packet is sent as gzip, to one connection that is kept', async () => {
  const encodings: (string | undefined)[] = [];
  const ports = new Set<number | undefined>();
  await using app = Fastify();
  app.addHook('onRequest', async request => {
    encodings.push(request.headers['content-encoding']);
    ports.add(request.raw.socket.remotePort);
  });
  await app.register(shardRoutes(new FakeMaster()));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  await using link = new HttpMasterLink({ url, token: TOKEN });
  await link.heartbeat(emptyPacket, NEVER);
  await link.heartbeat({ ...emptyPacket, jobs: Array<unknown>(3000).fill({ id: 1 }) }, NEVER);
  assert.deepEqual(encodings, [undefined, 'gzip']);
  assert.equal(ports.size, 1);
});

const BAD_ANSWERS: readonly (readonly [
  name: string,
  answer: (socket: Socket) => void,
  code: HeartbeatErrorCode,
  message: RegExp,
])[] = [
  ['closes without a word', socket => socket.end(), 'ERR_MASTER_UNREACHABLE', /cannot be reached/],
  ['resets without a word', socket => socket.resetAndDestroy(), 'ERR_MASTER_UNREACHABLE', /ECONNRESET/],
  [
    'ends in mid-reply',
    socket => socket.end(withLength(REPLY).subarray(0, -5)),
    'ERR_REPLY_MALFORMED',
    /the reply of .* is broken/,
  ],
  [
    'resets in mid-reply',
    socket => socket.write(withLength(REPLY).subarray(0, -5), () => socket.resetAndDestroy()),
    'ERR_REPLY_MALFORMED',
    /is broken/,
  ],
  ['speaks no HTTP', socket => socket.end('220 mail.example ESMTP\r\n'), 'ERR_REPLY_MALFORMED', /is broken/],
  [
    'answers with a page',
    socket => socket.write(withLength('<html>Welcome</html>', 'content-type: text/html\r\n')),
    'ERR_REPLY_MALFORMED',
    /is text\/html, not application\/json/,
  ],
  [
    'does not say what it sends',
    socket => socket.write(withLength(REPLY, '')),
    'ERR_REPLY_MALFORMED',
    /is of unknown type, not application/,
  ],
  [
    'sends half of a JSON',
    socket => socket.write(withLength('{"version":1,')),
    'ERR_REPLY_MALFORMED',
    /is not valid JSON/,
  ],
  [
    'sends no UTF-8',
    socket => socket.write(withLength(Buffer.from([0xff]))),
    'ERR_REPLY_MALFORMED',
    /is not valid JSON/,
  ],
  ['sends nothing', socket => socket.write(withLength('')), 'ERR_REPLY_MALFORMED', /is not valid JSON, in 0 bytes/],
  [
    'sends JSON that is not a reply',
    socket => socket.write(withLength('{"version":1}')),
    'ERR_REPLY_SCHEMA',
    /required/,
  ],
  [
    'sends a reply with a text for a number',
    socket => socket.write(withLength(JSON.stringify({ ...emptyReply, acknowledgedJobIds: ['token-1'] }))),
    'ERR_REPLY_SCHEMA',
    /acknowledgedJobIds\/0/,
  ],
  [
    'announces too much',
    socket => socket.write(`${OK}${JSON_TYPE}content-length: 5000\r\n\r\n{`),
    'ERR_REPLY_TOO_LARGE',
    /larger than 4096 bytes/,
  ],
  [
    'sends too much without a word',
    socket => socket.write(chunked(Buffer.alloc(5000, 0x20)).subarray(0, -5)),
    'ERR_REPLY_TOO_LARGE',
    /larger than 4096/,
  ],
  [
    'sends what inflates to too much',
    socket =>
      socket.write(withLength(gzipSync(Buffer.alloc(1_000_000, 0x20)), `${JSON_TYPE}content-encoding: gzip\r\n`)),
    'ERR_REPLY_TOO_LARGE',
    /larger than 4096/,
  ],
  [
    'sends a gzip that is cut off',
    socket => socket.write(withLength(gzipSync(REPLY).subarray(0, -9), `${JSON_TYPE}content-encoding: gzip\r\n`)),
    'ERR_REPLY_MALFORMED',
    /is not valid gzip/,
  ],
  [
    'sends in an encoding of its own',
    socket => socket.write(withLength(REPLY, `${JSON_TYPE}content-encoding: br\r\n`)),
    'ERR_REPLY_MALFORMED',
    /encoded as br/,
  ],
];

for (const [name, answer, code, message] of BAD_ANSWERS) {
  test(`a master that ${name} is ${code}`, async () => {
    await using server = await listen(answer);
    const error = await failureOf(server.url, { maxReplyBytes: 4096 });
    assert.equal(error.code, code);
    assert.match(error.message, message);
  });
}

const HANGS: readonly (readonly [name: string, answer: (socket: Socket) => void])[] = [
  ['hangs before its first word', () => undefined],
  ['hangs in the middle of the reply', socket => socket.write(withLength(REPLY).subarray(0, -5))],
  [
    'drips its reply',
    socket => {
      socket.write(`${OK}${JSON_TYPE}content-length: 100000\r\n\r\n`);
      const drip = setInterval(() => socket.write(' '), 10);
      socket.on('close', () => clearInterval(drip));
    },
  ],
];

for (const [name, answer] of HANGS) {
  test(`a master that ${name} is given up at the deadline`, async () => {
    await using server = await listen(answer);
    const error = await failureOf(server.url, { timeoutMs: 200 });
    assert.equal(error.code, 'ERR_MASTER_TIMEOUT');
    assert.match(error.message, /no complete reply within 200 ms/);
  });

  test(`a heartbeat to a master that ${name} ends at once when it is aborted`, async () => {
    const ending = new AbortController();
    const reason = new Error('shutdown');
    await using server = await listen(socket => {
      answer(socket);
      setImmediate(() => ending.abort(reason));
    });
    await using link = new HttpMasterLink({ url: server.url, token: TOKEN });
    await assert.rejects(link.heartbeat(emptyPacket, ending.signal), reason);
  });
}

test('a heartbeat that is aborted before it begins does not connect', async () => {
  await using server = await listen(() => undefined);
  await using link = new HttpMasterLink({ url: server.url, token: TOKEN });
  const reason = new Error('shutdown');
  await assert.rejects(link.heartbeat(emptyPacket, AbortSignal.abort(reason)), reason);
  assert.equal(server.connections, 0);
});

test('no listener, or no such host, is ERR_MASTER_UNREACHABLE', async () => {
  const server = await listen(() => undefined);
  await server[Symbol.asyncDispose]();
  const refused = await failureOf(server.url);
  assert.deepEqual(
    [refused.code, (refused.cause as NodeJS.ErrnoException).code],
    ['ERR_MASTER_UNREACHABLE', 'ECONNREFUSED'],
  );
  assert.equal((await failureOf('http://no-such-host.invalid')).code, 'ERR_MASTER_UNREACHABLE');
});

const STATUSES: readonly (readonly [status: string, headers: string, retryAfterMs: number | undefined])[] = [
  ['500 Internal Server Error', '', undefined],
  ['401 Unauthorized', '', undefined],
  ['403 Forbidden', '', undefined],
  ['204 No Content', '', undefined],
  ['429 Too Many Requests', 'retry-after: 7\r\n', 7000],
  ['503 Service Unavailable', 'retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n', 0],
  ['503 Service Unavailable', 'retry-after: soon\r\n', undefined],
];

for (const [status, headers, expected] of STATUSES) {
  test(`an answer ${status}${headers === '' ? '' : `, ${headers.trim()},`} is ERR_MASTER_HTTP`, async () => {
    await using server = await listen(socket => {
      socket.end(`HTTP/1.1 ${status}\r\n${headers}content-length: 0\r\n\r\n`);
    });
    const { code, status: told, retryAfterMs, message } = await failureOf(server.url);
    assert.deepEqual([code, told, retryAfterMs], ['ERR_MASTER_HTTP', Number(status.slice(0, 3)), expected]);
    assert.match(message, new RegExp(`answered ${status.slice(0, 3)}$`));
  });
}

test('the words of a master on a refusal are reported on one line, without the token, and a page is not', async () => {
  const said = { error: { code: 'ERR_OTHER_SHARD', message: `no:\n${TOKEN}`, requestId: 'r-1' } };
  for (const [body, expected] of [
    [JSON.stringify(said), /answered 403: no: \(token\) \(ERR_OTHER_SHARD, request r-1\)$/],
    ['<html>Forbidden</html>', /answered 403$/],
    ['null', /answered 403$/],
  ] as const) {
    await using server = await listen(socket => {
      socket.end(`HTTP/1.1 403 Forbidden\r\ncontent-length: ${String(body.length)}\r\n\r\n${body}`);
    });
    assert.match((await failureOf(server.url)).message, expected);
  }
});

test('a redirect is refused, so that no token goes elsewhere', async () => {
  await using elsewhere = await listen(socket => socket.write(withLength(REPLY)));
  for (const status of [301, 302, 307, 308]) {
    await using server = await listen(socket => {
      socket.end(`HTTP/1.1 ${String(status)} Moved\r\nlocation: ${elsewhere.url}/\r\ncontent-length: 0\r\n\r\n`);
    });
    const error = await failureOf(server.url);
    assert.deepEqual([error.code, error.status], ['ERR_MASTER_HTTP', status]);
  }
  assert.equal(elsewhere.connections, 0);
});

test('a kept connection that the master has closed meanwhile is not a failure', async () => {
  let answered = 0;
  await using server = await listen((socket, connection) => {
    answered += 1;
    if (connection === 1 && answered === 2) socket.resetAndDestroy();
    else socket.write(withLength(REPLY));
  });
  await using link = new HttpMasterLink({ url: server.url, token: TOKEN });
  await link.heartbeat(emptyPacket, NEVER);
  await link.heartbeat(emptyPacket, NEVER);
  assert.deepEqual([answered, server.connections], [3, 2]);
});

test('TLS goes with a CA of its own, and not without', async () => {
  const { ca, cert, key } = await makeCertificates();
  await using app = Fastify({ https: { cert, key } });
  await app.register(shardRoutes(new FakeMaster()));
  const url = (await app.listen({ host: '127.0.0.1', port: 0 })).replace('127.0.0.1', 'localhost');
  const unknown = await failureOf(url);
  assert.equal(unknown.code, 'ERR_MASTER_UNREACHABLE');
  assert.match(unknown.message, /certificate/);
  const otherName = await failureOf(url, { tls: { ca, servername: 'other.example' } });
  assert.equal((otherName.cause as NodeJS.ErrnoException).code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  await using link = new HttpMasterLink({ url, token: TOKEN, tls: { ca } });
  assert.deepEqual((await link.heartbeat(emptyPacket, NEVER)).reply, emptyReply);
});

test('a heartbeat is refused in a section that writes', async () => {
  await using store = await Store.open({ memory: true });
  await using link = new HttpMasterLink({ url: 'http://127.0.0.1:1', token: TOKEN });
  const inside = store.readWrite('heartbeat', async () => {
    await link.heartbeat(emptyPacket, NEVER);
  });
  await assert.rejects(inside, { code: 'ERR_CONTEXT_SWITCH' });
});

test('options that a link cannot have are named, and no secret is shown', () => {
  const make = (options: object) => (): unknown => new HttpMasterLink({ url: 'http://a', token: 't', ...options });
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ uri: 'http://a' }, /uri/],
    [{ url: undefined }, /url is undefined/],
    [{ url: 'farm.example' }, /url is/],
    [{ url: 'ftp://farm.example' }, /url is/],
    [{ url: 'https://user:hidden@farm.example' }, /url is/],
    [{ url: 'https://farm.example/?token=hidden' }, /url is/],
    [{ token: undefined }, /token is undefined/],
    [{ token: 'hidden with a space' }, /token is/],
    [{ timeoutMs: 0 }, /timeoutMs is 0/],
    [{ timeoutMs: Infinity }, /timeoutMs is Infinity/],
    [{ maxReplyBytes: 1.5 }, /maxReplyBytes is 1.5/],
    [{ tls: { certificate: 'x' } }, /certificate/],
    [{ tls: { ca: 'hidden' } }, /tls is/],
    [{ tls: { servername: 'hidden.example' } }, /tls is .* http:/],
    [{ tls: { key: 'hidden' } }, /tls is/],
  ];
  for (const [options, message] of cases) {
    assert.throws(make(options), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'ERR_INVALID_ARG');
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hidden/);
      return true;
    });
  }
});

test('a connection that is reset after the answer has begun breaks the reply, and nothing is sent again', async () => {
  let requests = 0;
  const begun = new Gate();
  const onBegun = (): void => begun.open();
  await using server = await listen(socket => {
    requests += 1;
    if (requests === 1) {
      socket.write(withLength(REPLY));
      return;
    }
    // Node's client publishes it once it has read the head of an answer.
    diagnostics.subscribe('http.client.response.finish', onBegun);
    socket.write(withLength(REPLY).subarray(0, -5));
    void begun.wait().then(() => setImmediate(() => socket.resetAndDestroy()));
  });
  try {
    await using link = new HttpMasterLink({ url: server.url, token: TOKEN });
    await link.heartbeat(emptyPacket, NEVER);
    await assert.rejects(link.heartbeat(emptyPacket, NEVER), { code: 'ERR_REPLY_MALFORMED', message: /is broken/ });
    assert.equal(requests, 2);
  } finally {
    diagnostics.unsubscribe('http.client.response.finish', onBegun);
  }
});

test('a link that is closed ends its heartbeat over a kept connection, and sends neither that nor another one', async () => {
  let requests = 0;
  await using server = await listen(socket => {
    requests += 1;
    if (requests === 2) link.close();
    else socket.write(withLength(REPLY));
  });
  await using link = new HttpMasterLink({ url: server.url, token: TOKEN });
  await link.heartbeat(emptyPacket, NEVER);
  await assert.rejects(link.heartbeat(emptyPacket, NEVER), { name: 'HeartbeatError', code: 'ERR_LINK_CLOSED' });
  await assert.rejects(link.heartbeat(emptyPacket, NEVER), { name: 'HeartbeatError', code: 'ERR_LINK_CLOSED' });
  assert.deepEqual([requests, server.connections], [2, 1]);
});

test('a link that is closed while a packet is made smaller does not connect', async () => {
  await using server = await listen(socket => socket.write(withLength(REPLY)));
  await using link = new HttpMasterLink({ url: server.url, token: TOKEN });
  const packet = { ...emptyPacket, knownJobIds: Array.from({ length: 10_000 }, (_, at) => at + 1) };
  const heartbeat = link.heartbeat(packet, NEVER);
  link.close();
  await assert.rejects(heartbeat, { code: 'ERR_LINK_CLOSED' });
  assert.equal(server.connections, 0);
});

test('a real master refuses a packet that is too large, and it is sent once', async () => {
  const ports: (number | undefined)[] = [];
  await using app = Fastify();
  app.addHook('onRequest', async request => {
    ports.push(request.raw.socket.remotePort);
  });
  await app.register(shardRoutes(new FakeMaster(), { maxPacketBytes: 100_000 }));
  await using link = new HttpMasterLink({ url: await app.listen({ host: '127.0.0.1', port: 0 }), token: TOKEN });
  await link.heartbeat(emptyPacket, NEVER);
  // More than the sockets of both sides hold, and nothing that gzip makes small.
  const packet = { ...emptyPacket, jobs: [randomBytes(16 * 2 ** 20).toString('base64')] };
  await assert.rejects(link.heartbeat(packet, NEVER), { code: 'ERR_MASTER_HTTP', status: 413 });
  assert.equal(ports.length, 2);
  assert.equal(ports[1], ports[0], 'it went over the connection that was kept');
});

test('an answer that is not HTTP leaves nothing of what was received in the error', async () => {
  await using server = await listen(socket => socket.end(`220 you said ${TOKEN}\r\n`));
  const { cause } = await failureOf(server.url);
  assert.match((cause as NodeJS.ErrnoException).code ?? '', /^HPE_/);
  assert.deepEqual(
    Object.values(cause as object).filter(value => value instanceof Uint8Array),
    [],
  );
});

test('a reply that is not JSON is quoted nowhere in the error', async () => {
  await using server = await listen(socket => socket.write(withLength('private matters')));
  const error = await failureOf(server.url);
  assert.equal(error.message.replace(/^.* (?=is not valid JSON)/, ''), 'is not valid JSON, in 15 bytes');
  assert.doesNotMatch(inspect(error, { depth: 9 }), /private/);
});

test('an answer that switches protocols is ERR_MASTER_HTTP', async () => {
  const head = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
  await using server = await listen(socket => socket.write(head));
  const { code, status } = await failureOf(server.url, { timeoutMs: 20_000 });
  assert.deepEqual([code, status], ['ERR_MASTER_HTTP', 101]);
});

test('a refusal that is too large to be read still tells when to come again', async () => {
  await using server = await listen(socket => {
    socket.write(`HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 5000\r\n\r\n<html>`);
  });
  const { code, status, retryAfterMs } = await failureOf(server.url, { maxReplyBytes: 4096 });
  assert.deepEqual([code, status, retryAfterMs], ['ERR_MASTER_HTTP', 503, 7000]);
});

test('gzip is gzip in capitals, too', async () => {
  await using server = await listen(socket =>
    socket.write(withLength(gzipSync(REPLY), `${JSON_TYPE}content-encoding: GZIP\r\n`)),
  );
  await using link = new HttpMasterLink({ url: server.url, token: TOKEN });
  assert.deepEqual((await link.heartbeat(emptyPacket, NEVER)).reply, emptyReply);
});
