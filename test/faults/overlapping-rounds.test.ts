import assert from 'node:assert/strict';
import { LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { refusalOf } from '../contract/rejections.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';

leakCheck();

fault(
  {
    row: 29,
    fault: '`execute` while a round is in flight',
    injected: 'a second `execute`, and a `settle`, over drones in that round and others',
    sees: 'a refusal, `ERR_ROUND_IN_FLIGHT`; its calls stay queued, and the round in flight returns all of its results',
    within: 'at once',
    withinMs: 200,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await using queue = new ThreadedTaskQueue({ threads: 2 });
    const others = new Others([new SshDrone('other', sshd.droneOptions('127.0.1.2')), new LocalDrone()]);
    others.queueCalls();
    await queue.execute(others.drones, { wait: false });

    const late = new SshDrone('web1', sshd.droneOptions());
    const drones = [late, ...others.drones];
    const call = late.queueCall('run', 'echo late');
    await inTime(refusalOf(queue.execute(drones), 'ERR_ROUND_IN_FLIGHT'));
    await refusalOf(queue.settle(drones), 'ERR_ROUND_IN_FLIGHT');

    assert.deepEqual(late.getCalls(), [call]);
    others.assertFine(await queue.getResults());
    assert.equal(call.valueIn(await queue.execute([late])).stdout, 'late\n');
  },
);
