import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transport } from '../../../../src/queue/transport/local/local-transport.js';
import type { TransportContext } from '../../../../src/queue/transport/transport.js';
import { leakCheck } from '../../../support/leak-check.js';

leakCheck();

const PROGRAM = fileURLToPath(new URL('../../../contract/programs/no-files-left.js', import.meta.url));
const SPEC = { transport: 'local', key: 'local', hostname: 'localhost' };

test('an agent that is given up before it is ready is killed at once, though it does not read its stdin', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const abort = new AbortController();
  const ends: (Error | undefined)[] = [];
  const context: TransportContext = {
    connectTimeoutMs: Infinity,
    keepaliveIntervalMs: Infinity,
    keepaliveCount: 3,
    maxConnectingPerAddress: 1,
    killGraceMs: 3_600_000,
    signal: abort.signal,
    phase: () => undefined,
    pause: wait => wait(),
    openShared: (_signal, _phase, open) => open(wait => wait()),
    held: true,
    relay: () => assert.fail('a local drone needs no relay'),
    ask: () => assert.fail('a local drone asks nothing'),
  };
  const start = { loader: `require("net").connect(${String(port)})`, marker: 'marker', input: new Uint8Array(0) };
  await transport.open(
    SPEC,
    start,
    { data: () => undefined, diagnostics: () => undefined, end: cause => ends.push(cause) },
    context,
  );
  const [socket] = (await once(server, 'connection')) as [Socket];
  const gone = once(
    socket.on('error', () => undefined),
    'close',
  );
  socket.resume();
  abort.abort();
  assert.deepEqual(ends, [undefined]);
  await gone;
  socket.destroy();
  server.close();
});

function withFewFiles(...args: string[]): Promise<{ readonly stdout: string }> {
  const limited = ['-c', 'ulimit -n 200; exec "$0" "$@"', process.execPath, PROGRAM, ...args];
  return promisify(execFile)('/bin/sh', limited);
}

test('no files left to open at the very first connection is over when there are some again', async () => {
  const { stdout } = await withFewFiles('serial', 'cold');
  assert.equal(stdout, 'warm: bootstrap EMFILE\nother: bootstrap EMFILE\nother: ran\n');
});

for (const queue of ['serial', 'threaded']) {
  test(`${queue}: no files left to open is a failure of the drone that needs them, and of no other`, async () => {
    const { stdout } = await withFewFiles(queue);
    assert.equal(stdout, 'warm: ran\nwarm: ran\nother: bootstrap EMFILE\nother: ran\n');
  });
}
