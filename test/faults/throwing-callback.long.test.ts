import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type CallOptions, events, LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { failureOf } from '../contract/rejections.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';
import { newMark, processesWith } from './processes.js';

leakCheck();

/** The default: less, and on a busy machine an agent has not told in time what it did. */
const KILL_GRACE_MS = 2000;
const thrown = new Error('of the caller');

const CALLBACKS: readonly { fault: string; onOutput: NonNullable<CallOptions['onOutput']> }[] = [
  {
    fault: '`onOutput` throws',
    onOutput: () => {
      throw thrown;
    },
  },
  { fault: 'the promise of `onOutput` rejects', onOutput: () => Promise.reject(thrown) },
];

for (const { fault: name, onOutput } of CALLBACKS) {
  fault(
    {
      row: 35,
      fault: name,
      injected: 'at the first output of a command, over SSH and on localhost',
      sees: '`callback` for that drone only, `cause` is what was thrown; `killed: true`; the later call is in `notStarted`',
      within: 'at once + kill grace',
      withinMs: 3000 + KILL_GRACE_MS,
    },
    async ({ inTime }) => {
      await using sshd = await startSshd();
      await using queue = new ThreadedTaskQueue({ threads: 2, killGraceMs: KILL_GRACE_MS });
      const drones = [new SshDrone('web1', sshd.droneOptions()), new LocalDrone()];
      const others = new Others([
        new SshDrone('other', sshd.droneOptions('127.0.1.2')),
        new LocalDrone({ env: { OTHER: '1' } }),
      ]);
      const mark = newMark();
      const calls = drones.map(drone => ({
        drone,
        call: drone.with({ onOutput }).queueCall('run', `echo on; sleep ${mark}`),
        later: drone.queueCall('run', 'true'),
      }));
      others.queueCalls();
      const { results, failures } = await inTime(queue.settle([...drones, ...others.drones]));

      assert.deepEqual(processesWith(mark), []);
      for (const { drone, call, later } of calls) {
        const failure = failureOf({ failures }, drone);
        assert.equal(failure.kind, 'callback', failure.message);
        assert.equal(failure.cause, thrown);
        assert.equal(failure.call, call);
        assert.equal(failure.killed, true);
        assert.deepEqual(failure.notStarted, [later]);
      }
      others.assertFine(results);
    },
  );
}

fault(
  {
    row: 35,
    fault: 'a subscriber of an event throws',
    injected: 'at each start and end of a round, worker and connection',
    sees: 'an `uncaughtException` of the process for each, as on any diagnostics channel (its end, if unhandled); the round is not affected',
    within: 'no delay',
    withinMs: 5000,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    const heard: unknown[] = [];
    const hook = (): never => {
      throw thrown;
    };
    const channels = [events.roundStart, events.workerStart, events.linkOpen, events.workerFinish, events.roundEnd];
    process.setUncaughtExceptionCaptureCallback(error => heard.push(error));
    for (const channel of channels) subscribe(channel, hook);
    const others = new Others([new SshDrone('other', sshd.droneOptions()), new LocalDrone()]);
    try {
      await using queue = new ThreadedTaskQueue({ threads: 2 });
      others.queueCalls();
      others.assertFine(await inTime(queue.execute(others.drones)));
    } finally {
      for (const channel of channels) unsubscribe(channel, hook);
      process.setUncaughtExceptionCaptureCallback(null);
    }
    // Two of the round, and three for each of the two drones.
    assert.deepEqual(heard, new Array(8).fill(thrown));
  },
);
