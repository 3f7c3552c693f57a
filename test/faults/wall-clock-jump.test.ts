import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { makeWallClock } from './faketime.js';
import { fault } from './fault.js';
import { Scheduler } from './scheduler.js';
import { withSharedFolder } from './shared-folder.js';

leakCheck();

const HOUR_S = 3600;
const CALL_TIMEOUT_MS = 1500;
/** Not to be reached by an hour's jump, nor by a busy machine. */
const LONG_MS = 120_000;

fault(
  {
    row: 31,
    fault: 'the wall clock jumps an hour ahead during a call, then two hours back during the next, which times out',
    injected: 'libfaketime in scheduler and agents, over SSH and on localhost; the monotonic clock is not affected',
    sees: 'no deadline passes early at the first jump (the call returns its result) or late at the second (`timeout` in time)',
    within: 'call timeout + kill grace',
    withinMs: CALL_TIMEOUT_MS + 2000,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await withSharedFolder(async folder => {
      const clock = await makeWallClock(folder);
      const go = join(folder, 'go');
      const { agentCommand = '', ...options } = sshd.droneOptions();
      const env = Object.entries(clock.env).map(pair => pair.join('='));
      await using scheduler = new Scheduler(
        {
          drone: { ...options, agentCommand: `env ${env.join(' ')} ${agentCommand}` },
          other: sshd.droneOptions('127.0.1.2'),
          commands: [
            { command: `date +%s; until [ -e ${go} ]; do sleep 0.1; done; date +%s`, timeoutMs: LONG_MS },
            { command: 'echo started; sleep 60', timeoutMs: CALL_TIMEOUT_MS },
          ],
          queue: { connectTimeoutMs: LONG_MS, roundDeadlineMs: LONG_MS, linkSilenceMs: LONG_MS },
        },
        clock.env,
      );
      // The time, twice.
      await scheduler.said('printed', 2);
      await clock.jump(HOUR_S);
      await writeFile(go, '');
      // The time, twice again; and the next call of the first.
      await scheduler.said('printed', 5);
      await clock.jump(-HOUR_S);
      const [ending] = await inTime(scheduler.said('code'));

      assert.equal(ending?.drones.length, 2);
      for (const { kind, code, killed, printed } of ending.drones) {
        assert.deepEqual({ kind, code, killed }, { kind: 'timeout', code: 'ERR_CALL_TIMEOUT', killed: true });
        const [first, times] = printed;
        assert.equal(first, 'first\n');
        const [before = 0, after = 0] = (times ?? '').split('\n').map(Number);
        // The jump was there to be seen.
        assert(after - before >= HOUR_S, `the clock went from ${String(before)} to ${String(after)}`);
      }
      assert.deepEqual(await scheduler.exited, { exitCode: 0, signal: null });
    });
  },
);
