import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { leaksSince, takeSnapshot } from './leak-check.js';

const NO_PATIENCE_MS = 0;

interface Leak {
  readonly name: string;
  readonly named: RegExp;
  /** Opens it, unref'd, and gives the way to end it. */
  open(): Promise<() => unknown>;
}

const leaks: Leak[] = [
  {
    name: 'a child process',
    named: /^child process \d+: sleep 1000$/,
    async open() {
      const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
      await once(child, 'spawn');
      child.unref();
      return () => child.kill('SIGKILL');
    },
  },
  {
    name: 'an interval',
    named: /^timer \d+ set at .*leak-check\.test\.ts:/,
    open() {
      const timer = setInterval(() => undefined, 100_000).unref();
      return Promise.resolve(() => {
        clearInterval(timer);
      });
    },
  },
  {
    name: 'a connected socket',
    named: /^socket:\[\d+\]$/,
    async open() {
      const server = createServer(socket => socket.resume().unref()).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      assert(typeof address === 'object' && address !== null);
      const socket = connect(address.port, '127.0.0.1');
      await once(socket, 'connect');
      server.close().unref();
      socket.unref();
      return () => socket.destroy();
    },
  },
  {
    name: 'a worker thread',
    named: /^event loop of a thread #\d+$/,
    async open() {
      const worker = new Worker('setInterval(() => undefined, 100_000)', { eval: true });
      await once(worker, 'online');
      worker.unref();
      return () => worker.terminate();
    },
  },
  {
    name: 'a socket that a worker thread opened',
    named: /^socket:\[\d+\]$/,
    async open() {
      const program = `require('net').createServer().listen(0, '127.0.0.1', () => require('worker_threads').parentPort.postMessage(0))`;
      const worker = new Worker(program, { eval: true });
      await once(worker, 'message');
      worker.unref();
      return () => worker.terminate();
    },
  },
  {
    name: 'an active handle',
    named: /^active TCPServerWrap #\d+$/i,
    async open() {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return () => server.close();
    },
  },
];

for (const { name, named, open } of leaks) {
  test(`${name} left behind is named, and forgotten once it is ended`, async () => {
    const before = takeSnapshot();
    const end = await open();
    const found = await leaksSince(before, NO_PATIENCE_MS);
    assert(
      found.some(leak => named.test(leak)),
      `found ${JSON.stringify(found)}`,
    );
    await end();
    assert.deepEqual(await leaksSince(before), []);
  });
}

test('a test file that registers the check fails by the test that leaks, and by no other', () => {
  const fixture = fileURLToPath(new URL('programs/leaky.js', import.meta.url));
  // Set by the runner of this very file; the inner runner would take itself for one of its children.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout, status } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', fixture], {
    encoding: 'utf8',
    env,
  });
  assert.equal(status, 1);
  assert.match(stdout, /^ok \d+ - ends its timer$/m);
  assert.match(stdout, /^not ok \d+ - forgets its timer$/m);
  assert.match(stdout, /the test left behind:\n\s+timer \d+ set at .*leaky\.js:/);
  assert.match(stdout, /^ok \d+ - comes after the leak$/m);
});
