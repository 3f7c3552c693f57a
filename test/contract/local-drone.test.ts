/** Real faults on this machine: agents that are killed or stopped, commands that do not end or say too much. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { events, LocalDrone } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { isRunning, killGroup } from '../support/processes-left.js';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

const ECHO = { echo: (value: unknown): unknown => value };

class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'contract-')));
  }

  /** What a command has written to a file of this directory, once it is there as a whole. */
  async read(name: string): Promise<string> {
    const path = join(this.path, name);
    const watcher = watch(this.path);
    while (!existsSync(path)) await once(watcher, 'change');
    watcher.close();
    return readFile(path, 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

/** A command that writes `what` (shell text) to `name` in one go, then goes on as `then`. */
function announce(folder: Folder, name: string, what: string, then: string): string {
  const path = join(folder.path, name);
  return `echo ${what} > ${path}.part; mv ${path}.part ${path}; ${then}`;
}

for (const make of queues) {
  test(`${make.name}: an agent killed in mid-call loses its unanswered calls, and the next round starts another`, async () => {
    using opened = new Witness(events.linkOpen);
    await using folder = await Folder.make();
    await using queue = make();
    const drone = new LocalDrone();
    const other = new FakeDrone('other', ECHO);
    other.queueCall('echo', 'unharmed');
    const done = drone.queueCall('run', 'echo done');
    const running = drone.queueCall('run', announce(folder, 'pids', '$$ $PPID', 'exec sleep 600'));
    const behind = drone.with({ idempotent: true }).queueCall('run', 'echo behind');
    const round = queue.execute([drone, other]);
    const [command = 0, agent = 0] = (await folder.read('pids')).split(' ').map(Number);
    process.kill(agent, 'SIGKILL');

    const exception = await exceptionOf(round);
    process.kill(command, 'SIGKILL');
    assert.deepEqual([...exception.results], [[other, ['unharmed']]]);
    const failure = failureOf(exception, drone);
    assert.equal(failure.kind, 'lost');
    assert.match(String(failure.cause), /SIGKILL/);
    assert.equal(done.valueIn(exception).stdout, 'done\n');
    assert.deepEqual([failure.mayHaveRun, failure.notStarted], [[running, behind], []]);
    assert.deepEqual(drone.getCalls(), [behind]);
    const results = await queue.execute([drone]);
    assert.equal(behind.valueIn(results).stdout, 'behind\n');
    const pids = opened.seen.filter(({ hostname }) => hostname === 'localhost').map(({ agentPid }) => agentPid);
    assert.equal(pids.length, 2);
    assert.equal(pids[0], agent);
  });

  test(`${make.name}: an agent killed between rounds is started again without a failure`, async () => {
    using closed = new Witness(events.linkClose);
    await using queue = make();
    const drone = new LocalDrone();
    const agent = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    process.kill(agent, 'SIGKILL');
    await closed.first();
    const next = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    assert.notEqual(next, agent);
  });

  test(`${make.name}: a stopped agent is cut off by the call's time, and the next round works`, async () => {
    await using folder = await Folder.make();
    await using queue = make({ killGraceMs: 50 });
    const drone = new LocalDrone();
    const other = new FakeDrone('other', ECHO);
    other.queueCall('echo', 'unharmed');
    const running = drone
      .with({ timeoutMs: 1500 })
      .queueCall('run', announce(folder, 'pids', '$$ $PPID', 'exec sleep 600'));
    const behind = drone.queueCall('run', 'echo behind');
    const round = queue.execute([other, drone]);
    const [command = 0, agent = 0] = (await folder.read('pids')).split(' ').map(Number);
    process.kill(agent, 'SIGSTOP');
    try {
      const failure = failureOf(await exceptionOf(round), drone);
      assert.equal(failure.kind, 'timeout');
      assert.equal(failure.call, running);
      assert.deepEqual([failure.mayHaveRun, failure.notStarted], [[running, behind], []]);
      assert.equal((await queue.call(drone, 'run', 'echo again')).stdout, 'again\n');
      await queue.close();
      assert.throws(() => process.kill(agent, 0), { code: 'ESRCH' });
    } finally {
      killGroup(command);
      killGroup(agent);
    }
  });

  test(`${make.name}: a command past its time is ended with its whole process group`, async () => {
    await using folder = await Folder.make();
    await using queue = make({ killGraceMs: 100 });
    const drone = new LocalDrone();
    // Shell, child and grandchild; none of them heeds TERM.
    const command = `trap '' TERM; echo partial; sleep 600 & (trap '' TERM; sleep 600 & ${announce(folder, 'pids', '$$ $!', 'wait')}) & wait`;
    const call = drone.with({ timeoutMs: 1500 }).queueCall('run', command);
    const behind = drone.queueCall('run', 'echo behind');
    const failure = failureOf(await queue.settle([drone]), drone);
    const pids = (await folder.read('pids')).split(' ').map(Number);
    assert.equal(failure.kind, 'timeout');
    assert.deepEqual([failure.call, failure.killed, failure.notStarted], [call, true, [behind]]);
    assert.deepEqual(failure.output, { stdout: 'partial\n', stderr: '' });
    assert.equal(pids.length, 2);
    for (const pid of pids) assert.equal(isRunning(pid), false, `process ${String(pid)} still runs`);
    assert.equal(behind.valueIn(await queue.execute([drone])).stdout, 'behind\n');
  });

  test(`${make.name}: a command is settled at its exit though a grandchild keeps its output open`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const call = drone.queueCall('run', 'sleep 600 & echo $!');
    const { exitCode, stdout } = call.valueIn(await queue.execute([drone]));
    assert.equal(exitCode, 0);
    assert.equal(isRunning(Number(stdout)), true);
    drone.queueKillProcess({ hostname: 'localhost', pid: await groupOf(Number(stdout)) });
    await queue.execute([drone]);
    assert.equal(isRunning(Number(stdout)), false);
  });

  test(`${make.name}: a command that fails is a result, by status or by signal`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const calls = ['exit 3', 'kill -9 $$', 'no-such-command-here', 'cat', 'echo $FROM_TEST'].map(command =>
      drone.queueCall('run', command, { env: { FROM_TEST: 'yes' } }),
    );
    const results = await queue.execute([drone]);
    const [status, signal, missing, input, env] = calls.map(call => call.valueIn(results));
    assert.deepEqual([status?.exitCode, status?.signal], [3, null]);
    assert.deepEqual([signal?.exitCode, signal?.signal], [null, 'SIGKILL']);
    assert.equal(missing?.exitCode, 127);
    assert.match(missing?.stderr ?? '', /not found/);
    assert.deepEqual([input?.exitCode, input?.stdout], [0, '']);
    assert.equal(env?.stdout, 'yes\n');
  });

  test(`${make.name}: output beyond the limit is cut in the middle and counted in full`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const small = drone.queueCall('run', 'seq 1 100000; echo small >&2', { maxOutputBytes: 1000 });
    const large = drone.queueCall('run', 'head -c 3000000 /dev/zero | tr "\\0" x');
    const results = await queue.execute([drone]);
    const { stdout, stderr, truncated, totalBytes } = small.valueIn(results);
    assert.equal(truncated, true);
    assert.deepEqual(totalBytes, { stdout: 588_895, stderr: 6 });
    assert.ok(stdout.startsWith('1\n2\n3\n') && stdout.endsWith('99999\n100000\n'));
    assert.ok(stdout.length < 1200);
    assert.equal(stderr, 'small\n');
    const { stdout: kept, totalBytes: total } = large.valueIn(results);
    assert.equal(total.stdout, 3_000_000);
    assert.ok(kept.length >= 1_048_576 && kept.length < 1_050_000);
  });
}

/** The process group of a process; its leader has ended already. */
async function groupOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}
