import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning } from '../support/processes-left.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { newMark, noneLeft, processesWith, until } from './processes.js';
import { Scheduler } from './scheduler.js';
import { withSharedFolder } from './shared-folder.js';

leakCheck();

/** The default: less, and on a busy machine an agent has not told in time what it did. */
const KILL_GRACE_MS = 2000;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  fault(
    {
      row: 27,
      fault: `the scheduler gets ${signal} during a round`,
      injected:
        'the signal, sent to a process that aborts its round at the first signal (examples/stop-on-signal.ts), with commands that ignore TERM, over SSH and on localhost',
      sees: '`ERR_ROUND_CANCELLED` with all finished results; `cancelled`, `killed: true`; nothing is left on the drones, and the process ends on its own',
      within: 'kill grace',
      withinMs: 3000 + KILL_GRACE_MS,
    },
    async ({ inTime }) => {
      await using sshd = await startSshd();
      const mark = newMark();
      await using scheduler = new Scheduler({
        drone: sshd.droneOptions(),
        other: sshd.droneOptions('127.0.1.2'),
        commands: [{ command: `trap "" TERM; echo on; sleep ${mark}` }],
        queue: { killGraceMs: KILL_GRACE_MS },
      });
      await scheduler.said('printed', 2);
      await scheduler.said('finished', 2);
      scheduler.kill(signal);
      const [ending] = await inTime(scheduler.said('code'));

      assert.deepEqual(processesWith(mark), []);
      assert.equal(ending?.code, 'ERR_ROUND_CANCELLED');
      for (const { kind, killed, printed } of ending.drones) {
        assert.deepEqual({ kind, killed, printed }, { kind: 'cancelled', killed: true, printed: ['first\n'] });
      }
      assert.deepEqual(await scheduler.exited, { exitCode: 0, signal: null });
      const pids = scheduler.agentPids;
      assert.equal(pids.length, 4);
      await until(() => !pids.some(isRunning), 'the end of all agents');
    },
  );
}

fault(
  {
    row: 27,
    fault: 'the scheduler gets a second signal while its round is being cancelled',
    injected: 'a process that exits at the second signal, with commands that take a long time to end',
    sees: "the process ends at once with the signal's status; the agents end their commands, then exit",
    within: 'at once',
    withinMs: 1000,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await withSharedFolder(async folder => {
      const mark = newMark();
      const leave = join(folder, 'leave');
      await using scheduler = new Scheduler({
        drone: sshd.droneOptions(),
        other: sshd.droneOptions('127.0.1.2'),
        commands: [{ command: `trap "" TERM; echo on; until [ -e ${leave} ]; do sleep 0.1; done; : ${mark}` }],
        queue: { killGraceMs: 60_000 },
      });
      await scheduler.said('printed', 2);
      await scheduler.said('finished', 2);
      scheduler.kill('SIGINT');
      await scheduler.said('stopping');
      scheduler.kill('SIGINT');
      assert.deepEqual(await inTime(scheduler.exited), { exitCode: 130, signal: null });

      // For a moment a shell that is about to be `sleep` looks like one more of them.
      await until(() => processesWith(mark).length === 2, 'both commands, alive');
      await writeFile(leave, '');
      await noneLeft(mark);
      const pids = scheduler.agentPids;
      assert.equal(pids.length, 4);
      await until(() => !pids.some(isRunning), 'the end of all agents');
    });
  },
);
