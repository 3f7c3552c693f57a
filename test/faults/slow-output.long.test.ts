import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { failureOf } from '../contract/rejections.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { fault } from './fault.js';
import { Others } from './others.js';
import { newMark, noneLeft, processesWith } from './processes.js';

leakCheck();

/** The healthy drones, warm, have that long, too. */
const ROUND_DEADLINE_MS = 5000;
/** The default: less, and on a busy machine an agent has not told in time what it did. */
const KILL_GRACE_MS = 2000;
const SETTINGS = { threads: 2, roundDeadlineMs: ROUND_DEADLINE_MS, killGraceMs: KILL_GRACE_MS };
const WITHIN = { within: 'round deadline + kill grace', withinMs: ROUND_DEADLINE_MS + KILL_GRACE_MS };

fault(
  {
    row: 22,
    fault: 'a command writes one byte per second',
    injected: 'a shell that prints and sleeps, over SSH and on localhost',
    sees: '`timeout` in phase `call`, `cause.code` `ERR_ROUND_DEADLINE`, `killed: true`; `output` holds what was written up to then; the later call is in `notStarted`',
    ...WITHIN,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await using queue = new ThreadedTaskQueue(SETTINGS);
    const drones = [new SshDrone('web1', sshd.droneOptions()), new LocalDrone()];
    const healthy = [new SshDrone('other', sshd.droneOptions('127.0.1.2')), new LocalDrone({ env: { OTHER: '1' } })];
    const others = new Others(healthy);
    await Promise.all([...drones, ...healthy].map(drone => queue.call(drone, 'run', 'true')));
    const mark = newMark();
    const calls = drones.map(drone => ({
      drone,
      call: drone.queueCall('run', `while :; do printf x; sleep 1; done; : ${mark}`),
      later: drone.queueCall('run', 'true'),
    }));
    others.queueCalls();
    const { results, failures } = await inTime(queue.settle([...drones, ...others.drones]));

    assert.deepEqual(processesWith(mark), []);
    for (const { drone, call, later } of calls) {
      const failure = failureOf({ failures }, drone);
      assert.equal(failure.kind, 'timeout', failure.message);
      assert.equal(failure.phase, 'call');
      assert.equal((failure.cause as { code?: unknown }).code, 'ERR_ROUND_DEADLINE');
      assert.equal(failure.call, call);
      assert.equal(failure.killed, true);
      assert.match(failure.output?.stdout ?? '', /^x+$/);
      assert.deepEqual(failure.notStarted, [later]);
      assert.deepEqual(failure.mayHaveRun, []);
    }
    others.assertFine(results);
  },
);

/** Of one of the server's keys: behind the proxy it has another address than known_hosts says. */
async function fingerprintsOf(knownHosts: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ssh-keygen', ['-l', '-f', knownHosts]);
  return [...new Set(stdout.match(/SHA256:\S+/g))];
}

fault(
  {
    row: 22,
    fault: 'a connection passes one byte per second',
    injected: 'a TCP proxy in front of sshd, from the moment the call runs',
    sees: '`timeout` in phase `call`; both calls in `mayHaveRun`, because the drone cannot answer; only idempotent calls are back. Its commands end with the connection',
    ...WITHIN,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    const mark = newMark();
    {
      await using proxy = await startTcpProxy({ host: sshd.addresses[0] ?? '', port: sshd.port });
      await using queue = new ThreadedTaskQueue(SETTINGS);
      const slow = new SshDrone('web1', {
        ...sshd.droneOptions('127.0.0.1'),
        port: proxy.port,
        hostKeys: { fingerprints: await fingerprintsOf(sshd.knownHosts) },
      });
      const healthy = [new SshDrone('other', sshd.droneOptions('127.0.1.2')), new LocalDrone()];
      const others = new Others(healthy);
      await Promise.all([slow, ...healthy].map(drone => queue.call(drone, 'run', 'true')));
      const onOutput = (): void => {
        proxy.drip(1);
      };
      const calls = [
        slow.with({ onOutput }).queueCall('run', `echo on; sleep ${mark}`),
        slow.queueCall('run', 'true'), // prettier-ignore
      ];
      others.queueCalls();
      const { results, failures } = await inTime(queue.settle([slow, ...others.drones]));

      const failure = failureOf({ failures }, slow);
      assert.equal(failure.kind, 'timeout', failure.message);
      assert.equal(failure.phase, 'call');
      assert.equal((failure.cause as { code?: unknown }).code, 'ERR_ROUND_DEADLINE');
      assert.deepEqual(failure.mayHaveRun, calls);
      assert.deepEqual(failure.notStarted, []);
      assert.deepEqual(slow.getCalls(), []);
      others.assertFine(results);
    }
    await noneLeft(mark);
  },
);
