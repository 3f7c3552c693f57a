/** Fault 12: the agent is killed during a call. */
import assert from 'node:assert/strict';
import { LocalDrone, SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet } from './fleet.js';
import { queueRunning } from './running.js';

leakCheck();

const DRONES = [
  ['over SSH', (fleet: Fleet) => new SshDrone('killed', fleet.droneOptions())],
  ['on this machine', () => new LocalDrone()],
] as const;

for (const [where, makeDrone] of DRONES) {
  fault(
    {
      row: 12,
      fault: `the agent is killed during a call, ${where}`,
      injected: 'SIGKILL to its pid',
      sees: '`lost`, phase `call`; all unanswered calls `mayHaveRun`, only idempotent calls are back; the command may live on; the next round has a new agent',
      within: 'at once',
      withinMs: 2000,
    },
    async watch => {
      await using fleet = await Fleet.start();
      const drone = makeDrone(fleet);
      const agent = Number((await fleet.queue.call(drone, 'run', 'echo $PPID')).stdout);
      drone.queueCall('run', 'echo answered');
      const { call: running, pid } = queueRunning(drone);
      const last = drone.queueCall('run', 'true');
      const failure = await fleet.fails(drone, watch, async () => {
        await pid;
        process.kill(agent, 'SIGKILL');
      });
      // Nothing was left to end it.
      process.kill(await pid, 'SIGKILL');
      assertFailure(drone, failure, {
        kind: 'lost',
        phase: 'call',
        attempts: 0,
        says: /the agent ended with signal (SIG)?KILL/,
        completed: 1,
        mayHaveRun: [running, last],
        back: [],
      });
      const next = drone.queueCall('run', 'echo $PPID');
      const nextAgent = Number(next.valueIn(await fleet.recovers(drone)).stdout);
      assert.ok(nextAgent > 0 && nextAgent !== agent);
    },
  );
}
