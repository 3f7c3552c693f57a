/** What crosses the worker thread, and what the death of one costs: its own drones, this round, and no more. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'node:test';
import { promisify } from 'node:util';
import { threadId as mainThreadId } from 'node:worker_threads';
import { DroneTaskQueue, events, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { exceptionOf, failureOf } from './rejections.js';
import { spread } from './thread-death.js';
import { Witness } from './witness.js';

leakCheck();

const echo = (value: number): number => value;

test('a slot whose threads died five times starts none for a while, and costs the drones of other slots nothing', async () => {
  using lost = new Witness(events.threadLost);
  const counted: string[] = [];
  const stats = { timing() {}, gauge() {}, increment: (name: string) => counted.push(name) };
  await using queue = new ThreadedTaskQueue({ threads: 2, name: 'fragile', stats });
  const gate = new Gate();
  const drones = Array.from(
    { length: 8 },
    (_, n) => new FakeDrone(`web${String(n)}`, { wait: () => gate.wait(), echo }),
  );
  const [killer] = drones;
  assert.ok(killer);
  const threads = await spread(queue, drones, gate);
  const other = drones.find(drone => threads.get(drone) !== threads.get(killer));
  assert.ok(other, 'eight drones are spread over two threads');

  killer.misbehave('thread-exit');
  for (let death = 0; death < 5; death++) {
    killer.queueCall('echo', death);
    const { failures } = await queue.settle([killer]);
    assert.equal(failureOf({ failures }, killer).phase, 'call');
  }
  killer.behave();
  const call = killer.queueCall('echo', 5);
  other.queueCall('echo', 6);
  const { failures, results } = await queue.settle([killer, other]);
  const { kind, phase, notStarted, cause } = failureOf({ failures }, killer);
  assert.deepEqual({ kind, phase, notStarted }, { kind: 'worker-lost', phase: 'waiting', notStarted: [call] });
  assert.equal((cause as NodeJS.ErrnoException).code, 'ERR_THREAD_CRASH_LOOP');
  assert.match(String(cause), /5 worker threads of its slot died within 60 s, the last of: .*exit/);
  assert.deepEqual(killer.getCalls(), [call]);
  assert.deepEqual([...results], [[other, [6]]]);
  await assert.rejects(queue.call(killer, 'echo', 7), { kind: 'worker-lost', cause });
  assert.equal(lost.seen.length, 5);
  assert.equal(counted.filter(name => name === 'drone_task_queue.fragile.threads.lost').length, 5);
});

test('a thread that hangs is ended after threadTimeoutMs', async () => {
  await using queue = new ThreadedTaskQueue({ threads: 1, threadTimeoutMs: 4000 });
  const drone = new FakeDrone('web1', { echo });
  drone.misbehave('thread-loop');
  drone.queueCall('echo', 1);
  const { failures } = await queue.settle([drone]);
  const { kind, cause } = failureOf({ failures }, drone);
  assert.equal(kind, 'worker-lost');
  assert.equal((cause as NodeJS.ErrnoException).code, 'ERR_THREAD_HUNG');
  assert.match(String(cause), /has not answered for 4000 ms/);
});

test('a FakeDrone is served through the frames of a worker thread: what arrives are copies', async () => {
  using opened = new Witness(events.linkOpen);
  await using queue = new ThreadedTaskQueue({ threads: 1, name: 'crossing' });
  class Point {
    readonly x = 1;
  }
  const sent = { point: new Point(), list: [new Map([[1, new Set([-0])]])], bytes: Buffer.from('ab') };
  const got: unknown[] = [];
  const thrown = Object.assign(new RangeError('deep', { cause: { why: 7n } }), { code: 'ERR_DEEP', other: 1 });
  const gate = new Gate();
  const drone = new FakeDrone('web1', {
    give: async (value: unknown) => {
      got.push(value);
      await gate.wait();
      return sent;
    },
    fail: () => Promise.reject(thrown),
  });
  const given = drone.queueCall('give', sent);
  drone.queueCall('fail');
  await queue.execute([drone], { wait: false });
  await gate.arrived();
  const threadId = queue.droneThreads.get(drone)?.threadId ?? -1;
  assert.ok(threadId > 0 && threadId !== mainThreadId);
  gate.open();
  const exception = await exceptionOf(queue.getResults());

  const copy = { point: { x: 1 }, list: [new Map([[1, new Set([-0])]])], bytes: new Uint8Array([97, 98]) };
  for (const value of [got[0], given.valueIn(exception)]) {
    assert.notEqual(value, sent);
    assert.deepEqual(value, copy);
  }
  const { cause } = failureOf(exception, drone);
  assert.ok(cause instanceof RangeError && cause !== thrown);
  const { message, code, stack, cause: deeper } = cause as typeof thrown;
  assert.deepEqual(
    { message, code, stack, deeper },
    { message: 'deep', code: 'ERR_DEEP', stack: thrown.stack, deeper: { why: 7n } },
  );
  assert.ok(!('other' in cause));
  assert.deepEqual(
    opened.seen.map(({ queue: name, hostname, agentPid }) => [name, hostname, agentPid]),
    [['crossing', 'web1', process.pid]],
  );
});

test('values are copies in the queue without threads, too', async () => {
  await using queue = new DroneTaskQueue();
  const kept = { list: [1] };
  const got: unknown[] = [];
  const drone = new FakeDrone('web1', { swap: (value: unknown) => (got.push(value), kept) });
  const given = { list: [2] };
  drone.queueCall('swap', given);
  const [value] = (await queue.execute([drone])).get(drone) ?? [];
  assert.deepEqual([value, got[0]], [kept, given]);
  assert.ok(value !== kept && got[0] !== given);
});

test('where no worker thread can be started, every drone fails as worker-lost and keeps its calls', async () => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
  const program = `
    import { ThreadedTaskQueue } from 'drone-task-queue';
    import { FakeDrone } from 'drone-task-queue/testing';
    const queue = new ThreadedTaskQueue({ threads: 2 });
    const drones = ['a', 'b', 'c'].map(name => new FakeDrone(name, { echo: value => value }));
    for (const drone of drones) drone.queueCall('echo', 1);
    for (let round = 0; round < 2; round++) {
      const { failures } = await queue.settle(drones);
      console.log(drones.map(drone => failures.get(drone)?.kind + drone.getCalls().length).join());
    }
    await queue.close();`;
  const args = [flag, '--allow-fs-read=*', '--no-warnings', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000, env: {} });
  assert.equal(stdout, 'worker-lost1,worker-lost1,worker-lost1\n'.repeat(2));
});

test('a subscriber that throws is heard of as an uncaught exception and does not touch the round', async () => {
  await using queue = new ThreadedTaskQueue({ threads: 1 });
  const drone = new FakeDrone('web1', { echo });
  const thrown = new Error('of a subscriber');
  const listen = (): never => {
    throw thrown;
  };
  const heard: unknown[] = [];
  process.setUncaughtExceptionCaptureCallback(error => heard.push(error));
  subscribe(events.workerStart, listen);
  try {
    drone.queueCall('echo', 1);
    assert.deepEqual((await queue.execute([drone])).get(drone), [1]);
  } finally {
    unsubscribe(events.workerStart, listen);
    process.setUncaughtExceptionCaptureCallback(null);
  }
  assert.deepEqual(heard, [thrown]);
});
