import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test from 'node:test';
import { DroneTaskQueue, events, SshDrone } from 'drone-task-queue';
import { Told } from '../../../contract/told.js';
import { Witness } from '../../../contract/witness.js';
import { leakCheck } from '../../../support/leak-check.js';
import { SocketServer } from '../../../support/socket-server.js';
import { pinnedKeys, type Sshd, startSshd } from '../../../support/sshd.js';

leakCheck();

/** Stands in front of a server, and does not answer one connection, as a server that is overloaded. */
async function overloadedBefore(
  target: Sshd,
  silent: number,
): Promise<SocketServer & { readonly gaveUp: Promise<void> }> {
  let connections = 0;
  let tell: () => void = () => undefined;
  /** The client has ended the silent one. */
  const gaveUp = new Promise<void>(resolve => {
    tell = resolve;
  });
  const server = await SocketServer.start((client, keep) => {
    if (++connections === silent) {
      client.once('close', tell).resume();
      return;
    }
    const behind = keep(connect({ host: target.addresses[0], port: target.port, noDelay: true }));
    client.pipe(behind).pipe(client);
    client.once('close', () => behind.destroy());
  });
  return Object.assign(server, { gaveUp });
}

test('a second connection that does not come about, to end a command, is given up with its place', async () => {
  await using server = await startSshd({ MaxSessions: '1' }, 1);
  await using overloaded = await overloadedBefore(server, 2);
  using warnings = new Witness(events.droneWarning);
  await using queue = new DroneTaskQueue({ killGraceMs: 50, maxConnectingPerAddress: 1, roundDeadlineMs: 60_000 });
  const { knownHosts: _knownHosts, ...options } = server.droneOptions();
  const behind = {
    ...options,
    host: '127.0.0.1',
    port: overloaded.port,
    agent: 'none',
    hostKeys: pinnedKeys(server),
  } as const;
  const drone = new SshDrone('web1', { ...behind, connectTimeoutMs: 8000 });
  const cancel = new AbortController();
  const told = new Told();
  drone.with({ signal: cancel.signal, onOutput: told.onOutput }).queueCall('run', 'echo $$; exec sleep 1000');
  const round = queue.settle([drone]);
  const [pid = 0] = await told.numbers;
  using _end = { [Symbol.dispose]: () => process.kill(pid, 'SIGKILL') };
  cancel.abort();
  const failure = (await round).failures.get(drone);
  assert.deepEqual([failure?.kind, failure?.killed], ['cancelled', false]);
  const other = new SshDrone('web2', { ...behind, env: { OTHER: 'yes' } });
  assert.equal((await queue.call(other, 'run', 'echo well')).stdout, 'well\n');
  await overloaded.gaveUp;
  const { message } = await warnings.first();
  assert.equal(message, 'run: the command could not be ended: no second connection within 8000 ms');
});
