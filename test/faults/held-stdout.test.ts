import assert from 'node:assert/strict';
import { LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';
import { endAll, newMark, noneLeft, processesWith } from './processes.js';

leakCheck();

fault(
  {
    row: 20,
    fault: 'a command exits and leaves a child that holds its stdout open',
    injected: 'a shell that ends with a `sleep` in the background, over SSH and on localhost',
    sees: 'the result, with all output up to then; it does not show that the stream is open, and the child lives on',
    within: 'exit + 200 ms',
    withinMs: 2000,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await using queue = new ThreadedTaskQueue({ threads: 2 });
    const drones = [new SshDrone('web1', sshd.droneOptions()), new LocalDrone()];
    const healthy = [new SshDrone('other', sshd.droneOptions('127.0.1.2')), new LocalDrone({ env: { OTHER: '1' } })];
    const others = new Others(healthy);
    await Promise.all([...drones, ...healthy].map(drone => queue.call(drone, 'run', 'true')));
    const mark = newMark();
    try {
      const calls = drones.map(drone => drone.queueCall('run', `sleep ${mark} & echo done; exit 3`));
      others.queueCalls();
      const results = await inTime(queue.execute([...drones, ...others.drones]));

      for (const call of calls) {
        const { exitCode, stdout, truncated, totalBytes } = call.valueIn(results);
        assert.deepEqual(
          { exitCode, stdout, truncated, totalBytes },
          { exitCode: 3, stdout: 'done\n', truncated: false, totalBytes: { stdout: 5, stderr: 0 } },
        );
      }
      assert.equal(processesWith(mark).length, drones.length);
      others.assertFine(results);
    } finally {
      endAll(mark);
      await noneLeft(mark);
    }
  },
);
