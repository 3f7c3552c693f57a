/** What real servers limit: connections that have not logged in, and sessions on a connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'node:test';
import { events, SshDrone, type SshDroneOptions, ThreadedTaskQueue } from 'drone-task-queue';
import { Witness } from '../../../contract/witness.js';
import { leakCheck } from '../../../support/leak-check.js';
import { startSshd } from '../../../support/sshd.js';

leakCheck();

const DRONES = 60;
const ADDRESS = '127.0.1.1';

/** Drones at one address, each with a connection of its own. */
function crowd(options: SshDroneOptions): SshDrone[] {
  return Array.from(
    { length: DRONES },
    (_, at) => new SshDrone(`drone${String(at)}`, { ...options, env: { AT: String(at) } }),
  );
}

async function reachAll(drones: readonly SshDrone[]): Promise<void> {
  using opened = new Witness(events.linkOpen);
  // As many cores as a build machine has may be busy with sixty starts of node.
  await using queue = new ThreadedTaskQueue({ threads: 2, connectTimeoutMs: 60_000 });
  const calls = drones.map(drone => drone.queueCall('run', 'echo $AT'));
  const results = await queue.execute(drones);
  assert.deepEqual(
    calls.map(call => call.valueIn(results).stdout.trim()),
    drones.map((_, at) => String(at)),
  );
  assert.equal(opened.seen.length, drones.length);
}

test('sixty drones at one sshd get through its MaxStartups of three', async () => {
  await using sshd = await startSshd({ MaxStartups: '3:100:3' });
  await reachAll(crowd(sshd.droneOptions(ADDRESS)));
});

test('sixty drones behind one jump host share its connection, and get through its MaxStartups of three', async () => {
  await using sshd = await startSshd({ MaxStartups: '3:100:3' });
  const hop = new SshDrone('hop', sshd.droneOptions('127.0.1.2'));
  await reachAll(crowd({ ...sshd.droneOptions(ADDRESS), via: hop }));
});

test('one session on a connection is enough for fifty calls with live output', async () => {
  await using sshd = await startSshd({ MaxSessions: '1' });
  using opened = new Witness(events.linkOpen);
  await using queue = new ThreadedTaskQueue({ threads: 1 });
  const drone = new SshDrone('narrow', sshd.droneOptions(ADDRESS));
  let streamed = '';
  const onOutput = (_stream: string, chunk: Uint8Array): void => {
    streamed += Buffer.from(chunk).toString();
  };
  const calls = Array.from({ length: 50 }, (_, at) => drone.with({ onOutput }).queueCall('run', `echo ${String(at)}`));
  const results = await queue.execute([drone]);
  assert.ok(calls.every(call => call.valueIn(results).exitCode === 0));
  assert.equal(streamed, Array.from({ length: 50 }, (_, at) => `${String(at)}\n`).join(''));
  assert.equal(opened.seen.length, 1);
});

test('a server that drops every connection is unreachable after several attempts', async () => {
  await using sshd = await startSshd({ MaxStartups: '1:100:1', LoginGraceTime: '60' });
  // The one place before the login is taken, and stays so.
  const taken = connect(sshd.port, ADDRESS);
  await once(taken, 'data');
  // Waits between attempts do not count towards the limit; a busy machine needs much of it for the attempts themselves.
  await using queue = new ThreadedTaskQueue({ threads: 1, connectTimeoutMs: 5000 });
  const drone = new SshDrone('busy', sshd.droneOptions(ADDRESS));
  const call = drone.queueCall('run', 'true');
  const { failures } = await queue.settle([drone]);
  const failure = failures.get(drone);
  taken.destroy();
  assert.equal(failure?.kind, 'unreachable');
  assert.ok(failure.attempts > 1, `attempts: ${String(failure.attempts)}`);
  assert.match(String(failure.cause), /closed the connection before the handshake, \d+ times/);
  assert.deepEqual(failure.notStarted, [call]);
});
