import assert from 'node:assert/strict';
import { LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { isRunning } from '../support/processes-left.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';
import { endAll, newMark, noneLeft, processesWith, until } from './processes.js';
import { Scheduler } from './scheduler.js';
import { withSharedFolder } from './shared-folder.js';

leakCheck();

/** The default: less, and on a busy machine an agent has not told in time what it did. */
const KILL_GRACE_MS = 2000;

fault(
  {
    row: 28,
    fault: 'the scheduler gets SIGKILL during a round',
    injected:
      'the signal, sent to a process whose drones run commands that ignore TERM, and detached ones, over SSH and on localhost',
    sees: 'the agents end their commands, then exit; only what `executeCommand` started is left on the drones. Another scheduler is not affected',
    within: 'kill grace',
    withinMs: 2000 + KILL_GRACE_MS,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await withSharedFolder(async folder => {
      const mark = newMark();
      const detachedMark = newMark();
      try {
        await using scheduler = new Scheduler({
          drone: sshd.droneOptions(),
          other: sshd.droneOptions('127.0.1.2'),
          commands: [{ command: `trap "" TERM; echo on; sh -c 'sleep ${mark}; :' & sleep ${mark}` }],
          detached: { command: ['sleep', detachedMark], folder },
          queue: { killGraceMs: KILL_GRACE_MS },
        });
        await scheduler.said('printed', 2);
        await using queue = new ThreadedTaskQueue({ threads: 2 });
        const others = new Others([new SshDrone('other', sshd.droneOptions()), new LocalDrone()]);
        others.queueCalls();
        await queue.execute(others.drones, { wait: false });

        scheduler.kill('SIGKILL');
        await scheduler.exited;
        const pids = scheduler.agentPids;
        await inTime(
          until(() => processesWith(mark).length === 0 && !pids.some(isRunning), 'the end of commands and agents'),
        );
        others.assertFine(await queue.getResults());
        assert(pids.length >= 2);
        // Each with the agent's process that keeps its pidfile.
        assert(processesWith(detachedMark).length >= 2, 'detached commands live on');
      } finally {
        endAll(detachedMark);
        await noneLeft(detachedMark);
      }
    });
  },
);
