/** A command's output when it is not taken as fast as it comes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { endpointOf } from '../../../../../src/queue/drone/drone.js';
import { SshDrone } from '../../../../../src/queue/drone/ssh-drone.js';
import type { SshEndpointSpec } from '../../../../../src/queue/transport/ssh/ssh-endpoint.js';
import { Command } from '../../../../../src/queue/transport/ssh/plain/command.js';
import { execText } from '../../../../../src/queue/transport/ssh/plain/shell-text.js';
import type { ConnectionSettings } from '../../../../../src/queue/transport/ssh/connection.js';
import { connectThrough } from '../../../../../src/queue/transport/ssh/tunnel.js';
import { leakCheck } from '../../../../support/leak-check.js';
import { startSshd } from '../../../../support/sshd.js';

leakCheck();

/** A connection is sent no more than this ahead of what was read. */
const WINDOW_BYTES = 2 * 1024 * 1024;

test('a command waits for the reader of its output, and nothing that it wrote is lost', async () => {
  await using sshd = await startSshd();
  const { signal } = new AbortController();
  const spec = endpointOf(new SshDrone('web1', sshd.droneOptions())).spec as SshEndpointSpec;
  const settings: ConnectionSettings = {
    connectTimeoutMs: Infinity,
    keepaliveIntervalMs: Infinity,
    keepaliveCount: 3,
    maxConnectingPerAddress: 8,
    signal,
    phase: () => undefined,
    pause: wait => wait(),
    openShared: (_signal, _phase, open) => open(wait => wait()),
    held: true,
    awaits: () => undefined,
    ask: () => assert.fail('nothing is asked for'),
  };
  const connection = await connectThrough([], spec, settings);
  let bytes = 0;
  let proceed: () => void = () => undefined;
  const text = execText({ script: 'head -c 20000000 /dev/zero' });
  const paused = new Promise<void>(resolve => {
    proceed = resolve;
  });
  const command = await connection.exec(
    text.command,
    signal,
    channel =>
      new Command(connection, channel, text, (_stream, chunk) => {
        const isFirst = bytes === 0;
        bytes += chunk.byteLength;
        return isFirst ? paused : undefined;
      }),
  );
  await command.started;
  // Each of these goes there and back: time for whatever the server would still send.
  for (let at = 0; at < 20; at++) await connection.ping();
  assert(bytes <= WINDOW_BYTES, `${String(bytes)} bytes were read`);
  proceed();
  await command.over;
  assert.equal(bytes, 20_000_000);
  assert.equal((await command.exited)?.exitCode, 0);
  const ended = new Promise(resolve => {
    connection.onEnd(resolve);
  });
  connection.end();
  await ended;
});
