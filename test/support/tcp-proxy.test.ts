import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { leakCheck } from './leak-check.js';
import { startTcpProxy } from './tcp-proxy.js';

leakCheck();

/** A server that sends back what it gets, and its sockets. */
async function startEcho(): Promise<{ port: number; sockets: Socket[] } & AsyncDisposable> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  await once(socket, 'connect');
  return socket;
}

async function echoed(socket: Socket, text: string): Promise<void> {
  socket.write(text);
  let got = '';
  while (got.length < text.length) got += String((await once(socket, 'data'))[0]);
  assert.equal(got, text);
}

async function codeOf(socket: Socket): Promise<string | undefined> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

test('what goes through a proxy at rest comes out whole, and its end too', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: echo.port });
  const socket = await open(proxy.port);
  const sent = Buffer.alloc(3_000_001, 'proxy');
  socket.end(sent);
  const got: Buffer[] = [];
  for await (const chunk of socket) got.push(chunk as Buffer);
  assert.ok(Buffer.concat(got).equals(sent));
  assert.equal(proxy.connections, 1);
});

test('bytes that are delayed or drip arrive whole and in order, and fast again once it is restored', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: echo.port });
  const socket = await open(proxy.port);
  proxy.delay(30);
  await echoed(socket, 'late');
  proxy.drip(100);
  await echoed(socket, 'a drop at a time');
  await proxy.restore();
  await echoed(socket, 'x'.repeat(1_000_000));
  socket.destroy();
});

test('a cut resets both ends, and the next connection is taken', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: echo.port });
  const socket = await open(proxy.port);
  await echoed(socket, 'before');
  const [far] = echo.sockets;
  assert.ok(far);
  const codes = Promise.all([codeOf(socket), codeOf(far)]);
  proxy.cut();
  assert.deepEqual(await codes, ['ECONNRESET', 'ECONNRESET']);
  const next = await open(proxy.port);
  await echoed(next, 'after');
  assert.equal(proxy.connections, 2);
  next.destroy();
});

test('half-open connections stay open and carry nothing, while new ones do', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: echo.port });
  const dead = await open(proxy.port);
  await echoed(dead, 'before');
  proxy.halfOpen();
  let got = 0;
  dead.on('data', () => got++);
  dead.write('into the void');
  const next = await open(proxy.port);
  await echoed(next, 'after');
  const [far] = echo.sockets;
  assert.deepEqual([got, dead.readyState, far?.bytesRead], [0, 'open', 'before'.length]);
  dead.destroy();
  await echoed(next, 'and after its end');
  assert.equal(far?.readableEnded, false);
  next.destroy();
});

test('while it refuses, connections of before go on and new ones fail', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: echo.port });
  const socket = await open(proxy.port);
  await proxy.refuse(true);
  assert.equal(await codeOf(connect({ host: '127.0.0.1', port: proxy.port })), 'ECONNREFUSED');
  await echoed(socket, 'still here');
  await proxy.restore();
  const next = await open(proxy.port);
  await echoed(next, 'welcome');
  socket.destroy();
  next.destroy();
});

test('two who restore it at once open it once', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: echo.port });
  await Promise.all([proxy.refuse(true), proxy.restore(), proxy.restore()]);
  const socket = await open(proxy.port);
  await echoed(socket, 'welcome');
  socket.destroy();
});

test('a target that is away resets those who connect', async () => {
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: 1 });
  const socket = connect({ host: '127.0.0.1', port: proxy.port });
  assert.equal(await codeOf(socket), 'ECONNRESET');
});
