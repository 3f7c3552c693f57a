/** Fault 4: a server that opens no further channel on a connection. */
import assert from 'node:assert/strict';
import { SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet } from './fleet.js';

leakCheck();

const CALLS = 12;
const CALL_MS = 10_000;
const ROW = { row: 4, within: 'call timeout', withinMs: CALL_MS };

for (const agent of ['node', 'none'] as const) {
  const how = agent === 'node' ? 'with an agent' : 'without an agent, a command per call';
  fault(
    {
      ...ROW,
      fault: `a server with few channels per connection, ${how}`,
      injected: `\`MaxSessions ${agent === 'node' ? '1' : '2'}\`, and ${String(CALLS)} calls at once beside a batch`,
      sees: 'its results over one connection: calls without a channel wait for their turn',
    },
    async ({ inTime }) => {
      await using fleet = await Fleet.start({ callTimeoutMs: CALL_MS });
      await using sshd = await startSshd({ MaxSessions: agent === 'node' ? '1' : '2' }, 4);
      await using proxy = await fleet.proxy(sshd);
      const drone = new SshDrone('narrow', { ...(await fleet.behind(proxy, sshd)), agent });
      const batch = Array.from({ length: 3 }, (_, at) => drone.queueCall('run', `echo batch ${String(at)}`));
      const numbers = Array.from({ length: CALLS }, (_, at) => String(at));
      const beside = Promise.all(numbers.map(at => fleet.queue.call(drone, 'run', `sleep 0.1; echo ${at}`)));
      const results = await inTime(fleet.succeeds(drone));
      assert.deepEqual(
        batch.map(call => call.valueIn(results).stdout),
        ['batch 0\n', 'batch 1\n', 'batch 2\n'],
      );
      assert.deepEqual(
        (await beside).map(({ stdout }) => stdout.trim()),
        numbers,
      );
      assert.equal(proxy.connections, 1);
    },
  );
}

fault(
  {
    ...ROW,
    fault: 'a server that opens no channel at all',
    injected: '`MaxSessions 0`',
    sees: "`bootstrap`, with the server's message, after one login; all calls `notStarted` and back",
    within: 'at once',
    withinMs: 2000,
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using sshd = await startSshd({ MaxSessions: '0' }, 4);
    await using proxy = await fleet.proxy(sshd);
    const drone = new SshDrone('closed', await fleet.behind(proxy, sshd));
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    const failure = await fleet.fails(drone, watch);
    assertFailure(drone, failure, {
      kind: 'bootstrap',
      phase: 'bootstrap',
      says: /did not start a command: .*open failed/,
      notStarted: calls,
      back: calls,
    });
    assert.equal(proxy.connections, 1);
  },
);
