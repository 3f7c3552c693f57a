/** Fault 9: nothing comes over the link any more, without a word. */
import { SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet } from './fleet.js';
import { queueRunning } from './running.js';

leakCheck();

const KEEPALIVE = { keepaliveIntervalMs: 500, keepaliveCount: 2 };

fault(
  {
    row: 9,
    fault: 'the connection is silently dropped during a call',
    injected: 'a TCP proxy in front of sshd that stops forwarding, even the end of a connection',
    sees: '`lost`, phase `call`; all unanswered calls `mayHaveRun`, only idempotent calls are back',
    within: 'keepalive interval × (keepalive count + 1)',
    withinMs: KEEPALIVE.keepaliveIntervalMs * (KEEPALIVE.keepaliveCount + 1),
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using proxy = await fleet.proxy();
    const drone = new SshDrone('dropped', { ...(await fleet.behind(proxy)), ...KEEPALIVE });
    drone.queueCall('run', 'true');
    const { call: running, pid } = queueRunning(drone);
    const last = drone.queueCall('run', 'true');
    const failure = await fleet.fails(drone, watch, async () => {
      await pid;
      proxy.halfOpen();
    });
    assertFailure(drone, failure, {
      kind: 'lost',
      phase: 'call',
      // The agent's pings go the same way at the same pace: which of the two runs out first is chance.
      says: /(no answer to 2 keepalives|the agent has not answered 2 pings), 500 ms apart/,
      completed: 1,
      mayHaveRun: [running, last],
      back: [],
    });
    drone.queueCall('run', 'true');
    await fleet.recovers(drone);
  },
);
