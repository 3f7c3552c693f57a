import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import {
  type Drone,
  LocalDrone,
  type RunResult,
  SshDrone,
  ThreadedTaskQueue,
  type UtilityMethods,
} from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { failureOf } from '../contract/rejections.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';

leakCheck();

const DRONES = 1000;
const BLACK_HOLES = 10;
const REAL = 10;
const ROUND_DEADLINE_MS = 8000;
/** The default: less, and on a busy machine an agent has not told in time what it did. */
const KILL_GRACE_MS = 2000;

/** A server that takes connections and says nothing, ever. */
class BlackHole implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer(socket => {
    this.#sockets.add(socket);
    socket.on('error', () => undefined); // whatever the other end does, this one does not care
  });

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Says what the `echo` of the command would. */
function play(command: string): RunResult {
  const stdout = `${/echo (.*)$/.exec(command)?.[1] ?? ''}\n`;
  const totalBytes = { stdout: stdout.length, stderr: 0 };
  return { exitCode: 0, signal: null, stdout, stderr: '', durationMs: 0, truncated: false, totalBytes };
}

fault(
  {
    row: 32,
    fault: '1 % of 1,000 drones are black holes',
    injected:
      'ten SSH drones at a port that accepts connections and sends nothing; 980 fake drones, nine over SSH, and localhost',
    sees: '990 results, and ten `timeout` in a phase before `call`, with the calls in `notStarted` and back',
    within: 'round deadline + kill grace',
    withinMs: ROUND_DEADLINE_MS + KILL_GRACE_MS,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await using hole = new BlackHole();
    const port = await hole.listen();
    await using queue = new ThreadedTaskQueue({
      threads: 2,
      roundDeadlineMs: ROUND_DEADLINE_MS,
      killGraceMs: KILL_GRACE_MS,
      // Out of the way, so that it is the round's deadline that ends the wait.
      connectTimeoutMs: 600_000,
    });
    const lost = Array.from(
      { length: BLACK_HOLES },
      (_, at) =>
        new SshDrone(`hole${String(at)}`, { ...sshd.droneOptions('127.0.0.1'), port, env: { AT: String(at) } }),
    );
    const hosts = sshd.addresses.slice(0, REAL - 1);
    const real = [...hosts.map(host => new SshDrone(host, sshd.droneOptions(host))), new LocalDrone()];
    // The round's deadline is for work; these have to connect first, on whatever machine.
    const connect = (drones: readonly Drone<Pick<UtilityMethods, 'run'>>[]): Promise<unknown> =>
      Promise.all(drones.map(drone => queue.call(drone, 'run', 'true')));
    await connect(real);
    const played = Array.from(
      { length: DRONES - BLACK_HOLES - REAL },
      (_, at) => new FakeDrone<Pick<UtilityMethods, 'run'>>(`fake${String(at)}`, { run: play }),
    );
    await connect(played);
    const others = new Others([...real, ...played]);
    const calls = lost.map(drone => drone.queueCall('run', 'true'));
    others.queueCalls();
    const { results, failures } = await inTime(queue.settle([...lost, ...others.drones]));

    assert.equal(results.size, DRONES - BLACK_HOLES);
    assert.equal(failures.size, BLACK_HOLES);
    for (const [at, drone] of lost.entries()) {
      const failure = failureOf({ failures }, drone);
      assert.equal(failure.kind, 'timeout', failure.message);
      assert.notEqual(failure.phase, 'call');
      assert.deepEqual(failure.notStarted, [calls[at]]);
      assert.deepEqual(drone.getCalls(), [calls[at]]);
    }
    others.assertFine(results);
  },
);
