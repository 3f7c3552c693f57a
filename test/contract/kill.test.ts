/** Time-outs and cancels end processes: of agents that answer, and of those that do not. */
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before, type TestContext } from 'node:test';
import { type Drone, events, LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { allGone, isRunning, killGroup, temporaryFolder } from '../support/processes-left.js';
import { leakCheck } from '../support/leak-check.js';
import { type Sshd, startSshd } from '../support/sshd.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';
import { Told } from './told.js';
import { Witness } from './witness.js';

/** Runs whatever it is asked to, but for what ends processes: that does nothing, and never answers. */
const DEAF = `case $SSH_ORIGINAL_COMMAND in *PIPE*) while kill -0 $PPID 2>/dev/null; do sleep 0.1; done;; *) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND";; esac`;

let sshd: Sshd;
let narrow: Sshd;
let deaf: Sshd;

before(async () => {
  [sshd, narrow, deaf] = await Promise.all([
    startSshd({}, 1),
    startSshd({ MaxSessions: '1' }, 1),
    startSshd({ ForceCommand: DEAF }, 1),
  ]);
});
after(() => Promise.all([sshd, narrow, deaf].map(server => server.stop())));
leakCheck();

const ECHO = { echo: (value: unknown): unknown => value };

const WAYS: Readonly<Record<string, () => Drone>> = {
  'on this machine': () => new LocalDrone(),
  'over a second channel': () => new SshDrone('web1', sshd.droneOptions()),
  'over a second connection': () => new SshDrone('web1', narrow.droneOptions()),
};

/** A command that tells its agent, itself and its child; neither of the two heeds TERM. */
const STUBBORN = 'trap "" TERM; sleep 1000 & echo $PPID $$ $!; sleep 1000; sleep 1000';

/** Writable for the user whom the drones of these tests log in as. */
async function openFolder(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o777);
  return folder;
}

for (const make of queues) {
  for (const [way, makeDrone] of Object.entries(WAYS)) {
    test(`${make.name}: an agent that answers no cancel is killed with what it runs: ${way}`, async t => {
      const folder = await openFolder(t);
      await using queue = make({ killGraceMs: 100 });
      const drone = makeDrone();
      const other = new FakeDrone('other', ECHO);
      const started = { workingDirectory: folder, pidfileName: 'pid' };
      const { pid: detached } = await queue.call(drone, 'executeCommand', ['sleep', '1000'], started);
      const [told, toldBeside] = [new Told(), new Told()];
      const stop = new AbortController();
      other.queueCall('echo', 'unharmed');
      const call = drone.with({ signal: stop.signal, onOutput: told.onOutput }).queueCall('run', STUBBORN);
      // A batch of its own, on the same agent.
      const twin = makeDrone();
      const beside = twin.with({ onOutput: toldBeside.onOutput }).queueCall('run', STUBBORN);
      const isSideBySide = make.name === 'threaded';
      const round = queue.settle([drone, other, ...(isSideBySide ? [twin] : [])]);
      const pids = [...(await told.numbers), ...(isSideBySide ? await toldBeside.numbers : [])];
      const [agent = 0] = pids;
      process.kill(agent, 'SIGSTOP');
      try {
        stop.abort('enough');
        const outcome = await round;
        const failure = failureOf(outcome, drone);
        assert.deepEqual([failure.kind, failure.cause, failure.call], ['cancelled', 'enough', call]);
        assert.deepEqual([failure.mayHaveRun, failure.notStarted], [[call], []]);
        assert.deepEqual(outcome.results.get(other), ['unharmed']);
        // Whether it was known in time is the machine's affair; but what is said to be gone is.
        assert.equal(typeof failure.killed, 'boolean');
        if (failure.killed === true) assert.deepEqual(pids.filter(isRunning), []);
        if (isSideBySide) {
          const { kind, mayHaveRun, killed } = failureOf(outcome, twin);
          assert.deepEqual([kind, mayHaveRun, killed], ['lost', [beside], failure.killed]);
        }
        await allGone(pids);
        assert(isRunning(detached), 'what was to live on is gone');
        const again = await queue.call(drone, 'run', 'echo $PPID');
        assert.notEqual(Number(again.stdout), agent);
      } finally {
        for (const pid of [...pids, detached]) killGroup(pid);
      }
    });
  }

  test(`${make.name}: an agent that cannot be killed delays nothing for long, and a warning says so`, async () => {
    using warned = new Witness(events.droneWarning);
    await using queue = make({ killGraceMs: 50 });
    const drone = new SshDrone('web1', deaf.droneOptions());
    const told = new Told();
    const stop = new AbortController();
    drone.with({ signal: stop.signal, onOutput: told.onOutput }).queueCall('run', 'echo $PPID $$; exec sleep 1000');
    const round = queue.settle([drone]);
    const pids = await told.numbers;
    const [agent = 0] = pids;
    process.kill(agent, 'SIGSTOP');
    try {
      stop.abort();
      const failure = failureOf(await round, drone);
      assert.deepEqual([failure.kind, failure.killed], ['cancelled', false]);
      const { message } = await warned.first();
      assert.match(message, /process \d+\) does not answer, and could not be killed: the drone did not report in time/);
      assert.equal((await queue.call(drone, 'run', 'echo again')).stdout, 'again\n');
    } finally {
      for (const pid of pids) killGroup(pid);
    }
  });

  test(`${make.name}: close waits until the kill of an agent is given up, and then says so`, async () => {
    const queue = make({ killGraceMs: 50 });
    const drone = new SshDrone('web1', deaf.droneOptions());
    const told = new Told();
    drone.with({ onOutput: told.onOutput }).queueCall('run', 'echo $PPID $$; exec sleep 1000');
    const round = queue.settle([drone]);
    const pids = await told.numbers;
    process.kill(pids[0] ?? 0, 'SIGSTOP');
    try {
      const { abandoned } = await queue.close({ graceMs: 0 });
      const { killed } = failureOf(await round, drone);
      assert.deepEqual([killed, abandoned.map(({ what, hostname }) => [what, hostname])], [false, [['agent', 'web1']]]);
      assert.match(
        abandoned[0]?.message ?? '',
        /does not answer, and could not be killed: the drone did not report in/,
      );
    } finally {
      for (const pid of pids) killGroup(pid);
    }
  });

  test(`${make.name}: without an agent a cancel that cannot be carried out is answered all the same`, async () => {
    await using queue = make({ killGraceMs: 50 });
    const drone = new SshDrone('web1', { ...deaf.droneOptions(), agent: 'none' });
    const told = new Told();
    const stop = new AbortController();
    const call = drone
      .with({ signal: stop.signal, onOutput: told.onOutput })
      .queueCall('run', 'echo $$; exec sleep 1000');
    const round = queue.settle([drone]);
    const [pid = 0] = await told.numbers;
    try {
      stop.abort();
      const failure = failureOf(await round, drone);
      assert.deepEqual([failure.kind, failure.call, failure.killed], ['cancelled', call, false]);
      assert(isRunning(pid));
      assert.equal((await queue.call(drone, 'run', 'echo again')).stdout, 'again\n');
    } finally {
      killGroup(pid);
    }
  });

  test(`${make.name}: a command that leaves its session escapes the end of its call`, async () => {
    await using queue = make({ killGraceMs: 100 });
    const drone = new LocalDrone();
    const told = new Told();
    const stop = new AbortController();
    const command = `setsid sh -c 'echo $$ $PPID; exec sleep 1000' & wait`;
    drone.with({ signal: stop.signal, onOutput: told.onOutput }).queueCall('run', command);
    const round = queue.settle([drone]);
    const [escaped = 0, shell = 0] = await told.numbers;
    try {
      stop.abort();
      const { kind, killed } = failureOf(await round, drone);
      assert.deepEqual([kind, killed], ['cancelled', true]);
      assert.deepEqual([escaped, shell].filter(isRunning), [escaped]);
    } finally {
      killGroup(escaped);
    }
  });

  test(`${make.name}: a cancelled call leaves the agents of other drones alone, and a cancelled round all agents`, async () => {
    await using queue = make({ killGraceMs: 100 });
    const [drone, sibling] = ['a', 'b'].map(DRONE => new LocalDrone({ env: { DRONE } })) as [LocalDrone, LocalDrone];
    const agents = async (): Promise<string[]> => {
      const calls = [drone, sibling].map(each => each.queueCall('run', 'echo $PPID'));
      const results = await queue.execute([drone, sibling]);
      return calls.map(call => call.valueIn(results).stdout);
    };
    const known = await agents();

    const told = new Told();
    const stop = new AbortController();
    drone.with({ signal: stop.signal, onOutput: told.onOutput }).queueCall('run', STUBBORN);
    const values = ['one', 'two'].map(word => sibling.queueCall('run', `sleep 0.2; echo ${word}`));
    void told.numbers.then(() => {
      stop.abort();
    });
    const exception = await exceptionOf(queue.execute([drone, sibling]));
    assert.deepEqual([failureOf(exception, drone).kind, failureOf(exception, drone).killed], ['cancelled', true]);
    assert.deepEqual(
      values.map(call => call.valueIn(exception).stdout),
      ['one\n', 'two\n'],
    );
    assert.deepEqual(await agents(), known);

    const toldAgain = new Told();
    const stopAll = new AbortController();
    drone.with({ onOutput: toldAgain.onOutput }).queueCall('run', STUBBORN);
    void toldAgain.numbers.then(() => {
      stopAll.abort();
    });
    const aborted = await exceptionOf(queue.execute([drone], { signal: stopAll.signal }), 'ERR_ROUND_CANCELLED');
    assert.equal(failureOf(aborted, drone).killed, true);
    assert.deepEqual(await agents(), known);
  });
}

test('a cancelled call leaves its thread to the drones beside it', async t => {
  const folder = await temporaryFolder(t);
  await using queue = new ThreadedTaskQueue({ threads: 1, killGraceMs: 100 });
  const [drone, sibling] = ['a', 'b'].map(DRONE => new LocalDrone({ env: { DRONE } })) as [LocalDrone, LocalDrone];
  const seen: (readonly (number | undefined)[])[] = [];
  for (let time = 0; time < 2; time++) {
    const [told, toldBeside] = [new Told(), new Told()];
    const stop = new AbortController();
    drone.with({ signal: stop.signal, onOutput: told.onOutput }).queueCall('run', STUBBORN);
    const gate = join(folder, String(time));
    const waiting = `echo 1; until [ -e ${gate} ]; do sleep 0.05; done`;
    const beside = sibling.with({ onOutput: toldBeside.onOutput }).queueCall('run', waiting, { maxOutputBytes: 100 });
    await queue.execute([drone, sibling], { wait: false });
    await Promise.all([told.numbers, toldBeside.numbers]);
    seen.push([drone, sibling].map(each => queue.droneThreads.get(each)?.threadId));
    stop.abort();
    await writeFile(gate, '');
    const exception = await exceptionOf(queue.waitOnDrones());
    assert.deepEqual([...exception.failures.keys()], [drone]);
    assert.equal(beside.valueIn(exception).stdout, '1\n');
    await queue.getResults();
  }
  assert.equal(new Set(seen.flat()).size, 1);
  assert(Number(seen[0]?.[0]) > 0);
});
