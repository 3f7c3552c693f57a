/** What becomes of calls that a round has not run: requeued, dropped, put back by hand, warned of and bounded. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Call, LocalDrone } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { failureOf, rejectionOf } from './rejections.js';

leakCheck();

const ECHO = { echo: <T>(value: T): T => value };
const TICKS = 5;

/** A logger that keeps its warnings. */
function warnings() {
  const seen: string[] = [];
  const nothing = (): void => undefined;
  return { seen, log: { debug: nothing, info: nothing, error: nothing, warn: (line: string) => seen.push(line) } };
}

/** The last value of each gauge. */
function gauges() {
  const values = new Map<string, number>();
  const gauge = (name: string, value: number): unknown => values.set(name, value);
  return { values, stats: { timing: () => undefined, increment: () => undefined, gauge } };
}

for (const make of queues) {
  test(`${make.name}: with leftovers 'drop' a drone that is down gains no calls`, async () => {
    const { seen, log } = warnings();
    await using queue = make({ leftovers: 'drop', log });
    const drone = new FakeDrone('web1', ECHO);
    drone.misbehave('refuse');
    for (let tick = 0; tick < TICKS; tick++) {
      const call = drone.queueCall('echo', tick);
      drone.queueKillProcess({ hostname: 'web1', pid: 99 });
      assert.deepEqual(failureOf(await queue.settle([drone]), drone).notStarted, [call]);
      assert.deepEqual(drone.getCalls(), []);
    }
    assert.match(seen[0] ?? '', /dropped the kill of a process that was not sent/);
    drone.behave();
    const call = drone.queueCall('echo', 'back');
    const results = await queue.execute([drone]);
    assert.deepEqual([call.valueIn(results), results.get(drone)?.length, drone.kills], ['back', 1, []]);
  });

  test(`${make.name}: a round's own leftovers go before those of the queue`, async () => {
    await using queue = make({ leftovers: 'drop' });
    const drone = new FakeDrone('web1', ECHO);
    drone.misbehave('refuse');
    const kept = drone.queueCall('echo', 1);
    await queue.settle([drone], { leftovers: 'requeue' });
    assert.deepEqual(drone.getCalls(), [kept]);
    await rejectionOf(queue.execute([drone]));
    assert.deepEqual(drone.getCalls(), []);

    await using requeues = make();
    const dropped = drone.queueCall('echo', 2);
    await rejectionOf(requeues.execute([drone], { leftovers: 'drop' }));
    assert.deepEqual(drone.getCalls(), []);
    drone.requeue([dropped]);
    await rejectionOf(requeues.execute([drone]));
    assert.deepEqual(drone.getCalls(), [dropped]);
  });

  test(`${make.name}: calls of an idempotent kind that were lost are dropped, too`, async () => {
    await using queue = make({ leftovers: 'drop', retry: { attempts: 1 } });
    const drone = new FakeDrone('web1', ECHO, { defaults: { idempotent: true } });
    const calls = [drone.queueCall('echo', 1), drone.queueCall('echo', 2)];
    drone.misbehave('die');
    assert.deepEqual(failureOf(await queue.settle([drone]), drone).mayHaveRun, calls);
    assert.deepEqual(drone.getCalls(), []);
  });

  test(`${make.name}: calls requeued by hand run first, and their output can be read anew`, async () => {
    await using queue = make({ leftovers: 'drop' });
    const gate = new Gate();
    const drone: FakeDrone = new FakeDrone('web1', {
      fail: () => {
        throw new Error('as told');
      },
      print: async () => {
        await drone.print('stdout', 'x'.repeat(300 * 1024));
        gate.open();
        return 'printed';
      },
    });
    const calls = drone as FakeDrone<{ fail(): never; print(): Promise<string> }>;
    calls.queueCall('fail');
    const print = calls.queueCall('print');
    const read = async (call: Call): Promise<number> => {
      let bytes = 0;
      for await (const { chunk } of call.output()) bytes += chunk.byteLength;
      return bytes;
    };
    const before = read(print);
    const { notStarted } = failureOf(await queue.settle([drone]), drone);
    assert.equal(await before, 0);
    const later = calls.queueCall('print');
    drone.requeue(notStarted);
    assert.deepEqual(drone.getCalls(), [print, later]);
    const output = read(print);
    const results = await queue.execute([drone]);
    assert.deepEqual([print.valueIn(results), await output], ['printed', 300 * 1024]);
  });

  test(`${make.name}: a drone that carries calls over for three rounds in a row is warned of once`, async () => {
    const { seen, log } = warnings();
    const { values, stats } = gauges();
    await using queue = make({ name: 'jobs', log, stats });
    const drone = new FakeDrone('web1', ECHO);
    const other = new FakeDrone('web2', ECHO);
    const gauge = (): unknown => values.get('drone_task_queue.jobs.carried_over');
    const warned = (): number => seen.filter(line => line.includes('carried calls over')).length;
    const tick = async (): Promise<void> => {
      for (const each of [drone, other]) each.queueCall('echo', 1);
      await queue.settle([drone, other]);
    };
    drone.misbehave('refuse');
    const warningsByTick: number[] = [];
    for (let round = 1; round <= TICKS; round++) {
      await tick();
      assert.equal(gauge(), round);
      warningsByTick.push(warned());
    }
    assert.deepEqual(warningsByTick, [0, 0, 1, 1, 1]);
    assert.match(seen.join('\n'), /drone web1 has carried calls over for 3 rounds in a row, and 3 are queued/);

    drone.behave();
    await tick();
    assert.equal(gauge(), 0);
    drone.misbehave('refuse');
    for (let round = 0; round < 3; round++) await tick();
    assert.equal(warned(), 2);
  });

  test(`${make.name}: a call in flight is not requeued, and new calls each round make no warning`, async () => {
    const { seen, log } = warnings();
    await using queue = make({ log });
    const gate = new Gate();
    const drone = new FakeDrone('web1', { wait: () => gate.wait() });
    const waiting = drone.queueCall('wait');
    const round = queue.start([drone]);
    await gate.arrived();
    assert.throws(() => drone.requeue([waiting]), { code: 'ERR_INVALID_ARG', message: /neither queued nor in flight/ });
    gate.open();
    await round.results();

    drone.misbehave('refuse');
    for (let times = 0; times < TICKS; times++) {
      drone.queueCall('wait');
      await queue.settle([drone]);
      drone.clearCallQueue();
    }
    assert.deepEqual(
      seen.filter(line => line.includes('carried calls over')),
      [],
    );
  });

  test(`${make.name}: more calls than maxQueuedCalls are refused, in the queue and in flight`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { ...ECHO, wait: () => gate.wait() });
    assert.equal(drone.maxQueuedCalls, 10_000);
    drone.maxQueuedCalls = 2;
    const tooMany = { name: 'RangeError', code: 'ERR_TOO_MANY_CALLS', message: /web1: 2 calls.*maxQueuedCalls is 2/ };
    const inFlight = [queue.call(drone, 'wait'), queue.call(drone, 'wait')];
    await assert.rejects(queue.call(drone, 'echo', 1), tooMany);
    gate.open();
    await Promise.all(inFlight);
    assert.equal(await queue.call(drone, 'echo', 1), 1);

    const calls = [drone.queueCall('echo', 1), drone.queueCall('echo', 2)];
    assert.throws(() => drone.queueCall('echo', 3), tooMany);
    assert.throws(() => drone.with({ timeoutMs: 5 }).queueCall('echo', 3), tooMany);
    drone.clearCallQueue();
    drone.queueCall('echo', 0);
    assert.throws(() => drone.requeue(calls), { code: 'ERR_TOO_MANY_CALLS' });
    assert.equal(drone.getCalls().length, 1);
  });
}

for (const make of queues) {
  test(`${make.name}: what a round returns to a queue that is full meanwhile is kept, and no further call is taken`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { ...ECHO, wait: () => gate.wait() });
    drone.maxQueuedCalls = 2;
    const stop = new AbortController();
    drone.queueCall('wait');
    const behind = drone.queueCall('echo', 'behind');
    const round = queue.settle([drone], { signal: stop.signal });
    await gate.arrived();
    const added = [drone.queueCall('echo', 1), drone.queueCall('echo', 2)];
    stop.abort();
    await round;
    assert.deepEqual(drone.getCalls(), [behind, ...added]);
    assert.throws(() => drone.queueCall('echo', 3), { code: 'ERR_TOO_MANY_CALLS', message: /3 calls wait/ });
    const results = await queue.execute([drone]);
    assert.deepEqual(results.get(drone), ['behind', 1, 2]);
  });
}

test('only calls of the drone that are not queued can be requeued, and all or none are', () => {
  const [drone, other] = [new LocalDrone(), new LocalDrone()];
  const [queued, cleared] = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
  drone.clearCallQueue();
  drone.requeue([queued]);
  for (const bad of [
    [cleared, queued],
    [cleared, cleared],
    [cleared, other.queueCall('run', 'true')],
    [cleared, {}],
  ]) {
    assert.throws(() => drone.requeue(bad as Call[]), { name: 'TypeError', code: 'ERR_INVALID_ARG' });
  }
  drone.requeue([]);
  assert.deepEqual(drone.getCalls(), [queued]);
});
