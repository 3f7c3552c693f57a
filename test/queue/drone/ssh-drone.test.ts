/** Twenty drones behind a real sshd, through both queues: results, failures and warm connections. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { events, SshDrone } from 'drone-task-queue';
import { queues } from '../../contract/queues.js';
import { failureOf } from '../../contract/rejections.js';
import { Witness } from '../../contract/witness.js';
import { leakCheck } from '../../support/leak-check.js';
import { type Sshd, startSshd } from '../../support/sshd.js';

/** Twenty agents start at once, on a machine that may be busy. */
const LOGIN_MS = 60_000;

let sshd: Sshd;
before(async () => {
  sshd = await startSshd();
});
after(() => sshd.stop());
leakCheck();

function fleet(): SshDrone[] {
  return sshd.addresses.map((address, at) => {
    return new SshDrone(`drone${String(at)}`, { ...sshd.droneOptions(address), connectTimeoutMs: LOGIN_MS });
  });
}

for (const make of queues) {
  test(`${make.name}: twenty drones behind sshd each return their own values, over one connection in all rounds`, async () => {
    using opened = new Witness(events.linkOpen);
    await using queue = make();
    for (let round = 0; round < 3; round++) {
      const drones = fleet();
      const calls = drones.map(drone => drone.queueCall('run', `echo ${drone.hostname} in ${String(round)}`));
      const results = await queue.execute(drones);
      assert.deepEqual([...results.keys()], drones);
      for (const [at, call] of calls.entries()) {
        assert.equal(call.valueIn(results).stdout, `drone${String(at)} in ${String(round)}\n`);
      }
    }
    assert.equal(opened.seen.length, sshd.addresses.length);
  });

  test(`${make.name}: one agent of twenty killed in mid-call is lost alone, and is back in the next round`, async () => {
    await using queue = make();
    const drones = fleet();
    const [victim, ...others] = drones;
    assert.ok(victim);
    const killer = victim.queueCall('run', 'kill -9 $PPID; sleep 600.25');
    const behind = victim.queueCall('run', 'echo behind');
    for (const drone of others) drone.queueCall('run', 'echo unharmed');
    const { results, failures } = await queue.settle(drones);
    const failure = failureOf({ failures }, victim);
    assert.equal(failure.kind, 'lost');
    assert.deepEqual([failure.mayHaveRun, failure.notStarted], [[killer, behind], []]);
    assert.deepEqual([...results.keys()], others);
    assert.equal((await queue.call(victim, 'run', 'pkill -x -f "sleep 600.25"; echo again')).stdout, 'again\n');
  });
}
