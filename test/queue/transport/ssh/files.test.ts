/** Files over a real sshd, through both queues. */
import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import test, { after, before } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { copyBetweenDrones, events, SshDrone } from 'drone-task-queue';
import { queues } from '../../../contract/queues.js';
import { exceptionOf, failureOf } from '../../../contract/rejections.js';
import { hashOf, lookAt, makeTree, Scratch } from '../../../contract/trees.js';
import { Witness } from '../../../contract/witness.js';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';

const MIB = 1024 * 1024;
const POLL_MS = 5;

let sshd: Sshd;
before(async () => {
  sshd = await startSshd({ MaxSessions: '1' });
});
after(() => sshd.stop());
leakCheck();

for (const make of queues) {
  test(`${make.name}: files go there and back beside other calls, over one session`, async () => {
    await using scratch = await Scratch.make();
    await using queue = make();
    const drone = new SshDrone('web1', sshd.droneOptions());
    const from = await scratch.file('from', 20 * MIB + 1);
    const there = scratch.of('there');
    drone.queueCall('putFile', from, there, { mode: 0o640 });
    const hash = drone.queueCall('run', `sha256sum < ${there}; stat -c '%a %U' ${there}`);
    drone.queueCall('getFile', there, scratch.of('back'));
    // A drone of the same endpoint shares its link, and its pings must get through.
    const beside = new SshDrone('beside', sshd.droneOptions());
    const answers = Array.from({ length: 20 }, () => beside.queueCall('run', 'echo beside'));
    const results = await queue.execute([drone, beside]);
    const expected = await hashOf(from);
    assert.equal(hash.valueIn(results).stdout, `${expected}  -\n640 ${sshd.user}\n`);
    assert.equal(await hashOf(scratch.of('back')), expected);
    assert.equal((await stat(scratch.of('back'))).mode & 0o777, 0o640);
    for (const answer of answers) assert.equal(answer.valueIn(results).stdout, 'beside\n');
  });

  test(`${make.name}: folders go there and back, and from drone to drone`, async () => {
    await using scratch = await Scratch.make();
    await using queue = make();
    const [one, other] = [0, 1].map(at => new SshDrone(`web${String(at)}`, sshd.droneOptions(sshd.addresses[at])));
    const from = await makeTree(scratch, 'from');
    await queue.call(one!, 'putDirectory', from, scratch.of('one'));
    await copyBetweenDrones(
      queue,
      { drone: one!, path: scratch.of('one') },
      { drone: other!, path: scratch.of('other') },
    );
    await queue.call(other!, 'getDirectory', scratch.of('other'), scratch.of('back'));
    assert.deepEqual(await lookAt(scratch.of('back')), await lookAt(from));
  });

  for (const method of ['putFile', 'getFile'] as const) {
    test(`${make.name}, ${method}: a connection cut under way leaves no part of the file`, async () => {
      using progress = new Witness(events.fileProgress);
      await using scratch = await Scratch.make();
      await using doomed = await startSshd();
      await using queue = make();
      const folder = await scratch.folder('in');
      const drone = new SshDrone('web1', doomed.droneOptions());
      const call = drone.queueCall(method, await scratch.hole('endless'), `${folder}/to`);
      const round = exceptionOf(queue.execute([drone]));
      await progress.first(message => message.call === call);
      while ((await readdir(folder)).length === 0) await delay(POLL_MS);
      await doomed.stop();
      const failure = failureOf(await round, drone);
      assert.deepEqual([failure.kind, failure.mayHaveRun], ['lost', [call]]);
      // The agent removes its own when it sees the end of its link.
      while (method === 'putFile' && (await readdir(folder)).length > 0) await delay(POLL_MS);
      assert.deepEqual(await readdir(folder), []);
    });
  }
}
