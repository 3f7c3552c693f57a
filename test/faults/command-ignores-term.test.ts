import assert from 'node:assert/strict';
import { type DroneError, LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { failureOf } from '../contract/rejections.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';
import { newMark, processesWith } from './processes.js';

leakCheck();

const CALL_TIMEOUT_MS = 1000;
/** The default: less, and on a busy machine an agent has not told in time what it did. */
const KILL_GRACE_MS = 2000;

fault(
  {
    row: 19,
    fault: 'a command that ignores TERM, as does its child',
    injected: '`trap` in a shell that starts another, over SSH and on localhost',
    sees: '`timeout` in phase `call`, `killed: true`: no process of the group is left; the later call is in `notStarted`',
    within: 'call timeout + kill grace',
    withinMs: CALL_TIMEOUT_MS + KILL_GRACE_MS,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await using queue = new ThreadedTaskQueue({ threads: 2, killGraceMs: KILL_GRACE_MS });
    const stubborn = [new SshDrone('web1', sshd.droneOptions()), new LocalDrone()];
    const healthy = [new SshDrone('other', sshd.droneOptions('127.0.1.2')), new LocalDrone({ env: { OTHER: '1' } })];
    const others = new Others(healthy);
    await Promise.all([...stubborn, ...healthy].map(drone => queue.call(drone, 'run', 'true')));
    const mark = newMark();
    const loop = `while :; do sleep 0.1; done; : ${mark}`;
    const calls = stubborn.map(drone => ({
      drone,
      call: drone.with({ timeoutMs: CALL_TIMEOUT_MS }).queueCall('run', `trap "" TERM; sh -c '${loop}' & ${loop}`),
      later: drone.queueCall('run', 'true'),
    }));
    others.queueCalls();
    let alive: number[] = [];
    const settled = queue.settle([...stubborn, ...others.drones]).finally(() => {
      alive = processesWith(mark);
    });
    const { results, failures } = await inTime(settled);

    assert.deepEqual(alive, []);
    for (const { drone, call, later } of calls) {
      const failure: DroneError = failureOf({ failures }, drone);
      assert.equal(failure.kind, 'timeout', failure.message);
      assert.equal(failure.phase, 'call');
      assert.equal((failure.cause as { code?: unknown }).code, 'ERR_CALL_TIMEOUT');
      assert.equal(failure.killed, true);
      assert.equal(failure.call, call);
      assert.deepEqual(failure.notStarted, [later]);
      assert.deepEqual(drone.getCalls(), [later]);
    }
    others.assertFine(results);
  },
);
