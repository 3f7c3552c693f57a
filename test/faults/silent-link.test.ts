/** Fault 9: nothing comes over the link any more, and nobody says so. */
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
    fault: 'the link is silently dropped in mid-call',
    injected: 'a TCP proxy in front of sshd that passes nothing on any more, not even the end',
    sees: '`lost`, phase `call`; all unanswered `mayHaveRun`, back only what is idempotent',
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
      says: /no answer to 2 keepalives, 500 ms apart/,
      completed: 1,
      mayHaveRun: [running, last],
      back: [],
    });
    drone.queueCall('run', 'true');
    await fleet.recovers(drone);
  },
);
