/** Fault 8: the connection is reset during a call. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { entriesOf, type RunResult, SshDrone } from 'drone-task-queue';
import { Scratch } from '../contract/trees.js';
import { leakCheck } from '../support/leak-check.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { CONNECT_MS, Fleet } from './fleet.js';
import { queueRunning } from './running.js';

leakCheck();

const ROW = {
  row: 8,
  injected: 'a TCP proxy in front of sshd that resets its connections',
  within: 'at once',
};

fault(
  {
    ...ROW,
    fault: 'the connection is reset during a call',
    sees: '`lost`, phase `call`; answered calls `completed`, all others `mayHaveRun`; only idempotent calls are back',
    withinMs: 1000,
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using proxy = await fleet.proxy();
    await using scratch = await Scratch.make();
    const drone = new SshDrone('reset', await fleet.behind(proxy));
    drone.queueCall('run', 'echo answered');
    const { call: running, pid } = queueRunning(drone, `echo ran >> ${scratch.of('runs')}`);
    const idempotent = drone.with({ idempotent: true }).queueCall('run', 'echo again');
    const last = drone.queueCall('run', 'true');
    const failure = await fleet.fails(drone, watch, async () => {
      await pid;
      proxy.cut();
    });
    assertFailure(drone, failure, {
      kind: 'lost',
      phase: 'call',
      says: /the connection to \S+ was lost: connection reset \(ECONNRESET\)/,
      completed: 1,
      mayHaveRun: [running, idempotent, last],
      back: [idempotent],
    });
    assert.equal((entriesOf(failure.completed)[0]?.value as RunResult).stdout, 'answered\n');
    assert.equal(idempotent.valueIn(await fleet.recovers(drone)).stdout, 'again\n');
    assert.equal(await readFile(scratch.of('runs'), 'utf8'), 'ran\n');
  },
);

fault(
  {
    ...ROW,
    fault: 'the connection is reset during a call, and all unanswered calls are idempotent',
    sees: 'its results: unanswered calls are sent again over a new connection',
    within: 'at once + connect timeout',
    withinMs: CONNECT_MS,
  },
  async ({ inTime }) => {
    await using fleet = await Fleet.start();
    await using proxy = await fleet.proxy();
    await using scratch = await Scratch.make();
    const runs = scratch.of('runs');
    const drone = new SshDrone('reset', await fleet.behind(proxy));
    const answered = drone.queueCall('run', `echo answered; echo answered >> ${runs}`);
    const endsNextTime = `echo again >> ${runs}; test $(grep -c again ${runs}) -gt 1 && exit 0`;
    const { call: again, pid } = queueRunning(drone, endsNextTime, true);
    const last = drone.with({ idempotent: true }).queueCall('run', 'echo last');
    const round = fleet.succeeds(drone, async () => {
      await pid;
      proxy.cut();
    });
    const results = await inTime(round);
    assert.equal(answered.valueIn(results).stdout, 'answered\n');
    assert.equal(again.valueIn(results).exitCode, 0);
    assert.equal(last.valueIn(results).stdout, 'last\n');
    assert.equal(results.get(drone)?.length, 3);
    assert.equal(await readFile(runs, 'utf8'), 'answered\nagain\nagain\n');
    assert.equal(proxy.connections, 2);
    assert.deepEqual(drone.getCalls(), []);
  },
);
