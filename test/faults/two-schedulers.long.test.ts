import assert from 'node:assert/strict';
import { join } from 'node:path';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Scheduler } from './scheduler.js';
import { withSharedFolder } from './shared-folder.js';

leakCheck();

fault(
  {
    row: 30,
    fault: 'two schedulers use the same drones at the same time',
    injected: 'two processes, whose commands wait for one another, over SSH and on localhost',
    sees: 'all results in both; each has its own agents',
    within: 'no delay',
    withinMs: 10_000,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await withSharedFolder(async folder => {
      const meet = (own: string, other: string): string => {
        const [here, there] = [own, other].map(name => `${join(folder, name)}-$(id -u)`);
        return `touch ${here ?? ''}; until [ -e ${there ?? ''} ]; do sleep 0.1; done; echo met`;
      };
      const common = { drone: sshd.droneOptions(), other: sshd.droneOptions('127.0.1.2') };
      await using first = new Scheduler({ ...common, commands: [{ command: meet('first', 'second') }] });
      await using second = new Scheduler({ ...common, commands: [{ command: meet('second', 'first') }] });
      const endings = await inTime(Promise.all([first.said('code'), second.said('code')]));

      for (const [ending] of endings) {
        assert.equal(ending?.code, 'none');
        for (const { printed } of ending.drones) assert.deepEqual(printed, ['first\n', 'met\n']);
      }
      for (const { exited } of [first, second]) assert.deepEqual(await exited, { exitCode: 0, signal: null });
      const pids = [...first.agentPids, ...second.agentPids];
      assert.equal(new Set(pids).size, 8);
    });
  },
);
