/** Connecting to a host with several addresses. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openTcp } from '../../../../src/queue/transport/ssh/tcp.js';
import { leakCheck } from '../../../support/leak-check.js';
import { until } from '../../../support/until.js';

leakCheck();

const DEAD = '127.0.9.1';
const SLOW = '127.0.9.2';

/** Listens, and greets whom it accepts. */
const PROGRAM =
  `require('node:net').createServer(socket => socket.end('hello'))` +
  `.listen({ port: 0, host: '${SLOW}', backlog: 1 }, function () { console.log(this.address().port); })`;

/** A server that takes no connection for as long as it wants: stopped, and with its queue full. */
class SlowServer implements AsyncDisposable {
  readonly port: number;
  readonly #process = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  readonly #waiting: Socket[] = [];

  private constructor() {
    this.port = 0;
  }

  static async start(): Promise<SlowServer> {
    const server = new SlowServer();
    const [line] = (await once(server.#process.stdout, 'data')) as [Buffer];
    Object.assign(server, { port: Number(line.toString()) });
    server.#process.kill('SIGSTOP');
    for (;;) {
      const socket = connect({ host: SLOW, port: server.port });
      socket.on('error', () => undefined).resume();
      server.#waiting.push(socket);
      await Promise.race([once(socket, 'connect'), delay(500)]);
      // It may have connected, and this process been too busy to see it.
      await new Promise(setImmediate);
      if (socket.connecting) break;
    }
    return server;
  }

  /** Connections that it has yet to take. */
  get syns(): number {
    const port = this.port.toString(16).toUpperCase().padStart(4, '0');
    const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n');
    return lines.filter(line => line.includes(`0209007F:${port} 02 `)).length;
  }

  goOn(): void {
    this.#process.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    this.#process.kill('SIGKILL');
    await once(this.#process, 'close');
  }
}

const never = new AbortController().signal;

test('a host whose first address is dead and whose second is slow is connected to', async () => {
  await using server = await SlowServer.start();
  const { port } = server;
  const before = server.syns;
  const opening = openTcp({ host: 'two.test', port }, [DEAD, SLOW], true, never);
  await until(() => server.syns > before);
  // Longer than an attempt may last before the next one begins.
  await Promise.race([opening, delay(600)]);
  server.goOn();
  const socket = await opening;
  assert.equal(socket.remoteAddress, SLOW);
  socket.destroy();
});

test('a slow address does not keep the next one waiting, and is given up once that has answered', async () => {
  await using server = await SlowServer.start();
  const { port } = server;
  const before = server.syns;
  const other = createServer(socket => socket.resume()).listen(port, DEAD);
  await once(other, 'listening');
  const socket = await openTcp({ host: 'two.test', port }, [SLOW, DEAD], true, never);
  assert.equal(socket.remoteAddress, DEAD);
  await until(() => server.syns <= before);
  socket.destroy();
  other.close();
  await once(other, 'close');
});

test('a host none of whose addresses answers fails with the answer of each, and the code of the first', async () => {
  const closed = createServer().listen(0, DEAD);
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  await assert.rejects(openTcp({ host: 'two.test', port }, [DEAD, SLOW], true, never), (error: Error) => {
    assert.equal(
      error.message,
      `cannot connect to two.test port ${String(port)}: ${DEAD}: connection refused (ECONNREFUSED), ` +
        `${SLOW}: connection refused (ECONNREFUSED)`,
    );
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    return true;
  });
});

test('giving up ends the attempts at all addresses', async () => {
  await using server = await SlowServer.start();
  const before = server.syns;
  const stop = new AbortController();
  const opening = openTcp({ host: 'two.test', port: server.port }, [SLOW, SLOW], true, stop.signal);
  await until(() => server.syns === before + 2);
  const reason = new Error('given up');
  stop.abort(reason);
  await assert.rejects(opening, reason);
  await until(() => server.syns === before);
});
