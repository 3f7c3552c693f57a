/** Rule 1: what a queue refuses, in which order, and that a refusal changes nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type AnyDrone, type DroneTaskQueueExceptionCode, events, type TaskQueue } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, refusalOf, rejectionOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

const NEXT = { echo: (value: string): string => value };

/** Every way to ask for a round, each of which is refused alike. */
const WAYS: readonly ((queue: TaskQueue, drones: AnyDrone[]) => Promise<unknown>)[] = [
  (queue, drones) => queue.execute(drones),
  (queue, drones) => queue.execute(drones, { wait: false }),
  (queue, drones) => queue.settle(drones),
  (queue, drones) => queue.execute(drones, { signal: AbortSignal.abort() }),
];

async function assertRefused(
  queue: TaskQueue,
  drones: AnyDrone[],
  code: DroneTaskQueueExceptionCode,
  message: RegExp,
): Promise<void> {
  for (const way of WAYS) {
    const { message: text } = await refusalOf(way(queue, drones), code);
    assert.match(text, message);
  }
}

for (const make of queues) {
  test(`${make.name}: a round is refused while results are not fetched, for no drones too`, async () => {
    await using queue = make();
    const first = new FakeDrone('first', NEXT);
    const next = new FakeDrone('next', NEXT);
    const value = first.queueCall('echo', 'kept');
    await queue.execute([first], { wait: false });
    await queue.waitOnDrones();
    const waiting = next.queueCall('echo', 'later');

    for (const drones of [[], [next]]) {
      await assertRefused(
        queue,
        drones,
        'ERR_RESULTS_NOT_FETCHED',
        /Cannot clobber results queue.*cleared through getResults/,
      );
    }
    assert.deepEqual(next.batches, []);
    assert.deepEqual(next.getCalls(), [waiting]);
    assert.equal(value.valueIn(await queue.getResults()), 'kept');
    assert.equal(waiting.valueIn(await queue.execute([next])), 'later');
  });

  test(`${make.name}: a round is refused while the thread map is not empty, for no drones too`, async () => {
    await using queue = make();
    const gate = new Gate();
    const held = new FakeDrone('held', { wait: () => gate.wait() });
    const next = new FakeDrone('next', NEXT);
    held.queueCall('wait');
    const waiting = next.queueCall('echo', 'later');
    const handedOver = queue.execute([held], { wait: false });
    await gate.arrived();

    for (const drones of [[], [next], [held]]) {
      await assertRefused(
        queue,
        drones,
        'ERR_ROUND_IN_FLIGHT',
        /Cannot clobber thread map.*cleared through waitOnDrones/,
      );
    }
    assert.deepEqual(next.batches, []);
    assert.deepEqual(next.getCalls(), [waiting]);
    gate.open();
    await handedOver;
    assert.deepEqual([...(await queue.getResults()).keys()], [held]);
  });

  test(`${make.name}: a drone listed twice is refused, with work and without`, async () => {
    await using queue = make();
    const idle = new FakeDrone('idle', NEXT);
    const busy = new FakeDrone('busy', NEXT);
    const call = busy.queueCall('echo', 'once');
    busy.queueKillProcess({ hostname: 'busy', pid: 4321 });

    await assertRefused(queue, [busy, idle, busy], 'ERR_DRONE_TWICE', /busy/);
    await assertRefused(queue, [idle, idle], 'ERR_DRONE_TWICE', /idle/);
    assert.deepEqual(busy.batches, []);
    assert.deepEqual(busy.getCalls(), [call]);
    assert.equal(call.valueIn(await queue.execute([busy, idle])), 'once');
    assert.deepEqual(busy.kills, [{ hostname: 'busy', pid: 4321 }]);
  });

  test(`${make.name}: results not fetched are told before a round in flight`, async () => {
    using finished = new Witness(events.workerFinish);
    await using queue = make();
    const gate = new Gate();
    const quick = new FakeDrone('quick', NEXT);
    const held = new FakeDrone('held', { wait: () => gate.wait() });
    quick.queueCall('echo', 'done');
    held.queueCall('wait');
    const handedOver = queue.execute([quick, held], { wait: false });
    await Promise.all([gate.arrived(), finished.first(({ hostname }) => hostname === 'quick')]);

    await assertRefused(queue, [quick, quick], 'ERR_RESULTS_NOT_FETCHED', /results queue/);
    gate.open();
    await handedOver;
    assert.equal((await queue.getResults()).size, 2);
  });

  test(`${make.name}: a round in flight is reported before a drone listed twice`, async () => {
    await using queue = make();
    const gate = new Gate();
    const held = new FakeDrone('held', { wait: () => gate.wait() });
    held.queueCall('wait');
    const handedOver = queue.execute([held], { wait: false });
    await gate.arrived();

    await assertRefused(queue, [held, held], 'ERR_ROUND_IN_FLIGHT', /thread map/);
    gate.open();
    await handedOver;
    await queue.getResults();
  });

  test(`${make.name}: a closed queue is reported last of all`, async () => {
    const queue = make({ name: 'shut' });
    const drone = new FakeDrone('web1', NEXT);
    drone.queueCall('echo', 'kept');
    await queue.execute([drone], { wait: false });
    await queue.close();

    await assertRefused(queue, [drone, drone], 'ERR_RESULTS_NOT_FETCHED', /results queue/);
    assert.equal((await queue.getResults()).size, 1);
    await assertRefused(queue, [drone, drone], 'ERR_DRONE_TWICE', /web1/);
    await assertRefused(queue, [drone], 'ERR_QUEUE_CLOSED', /shut is closed/);
    await assertRefused(queue, [], 'ERR_QUEUE_CLOSED', /shut is closed/);
    await refusalOf(queue.call(drone, 'echo', 'no'), 'ERR_QUEUE_CLOSED');
  });

  test(`${make.name}: of two rounds asked for at once the second is refused and the first is whole`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', NEXT);
    const call = drone.queueCall('echo', 'mine');
    const [first, second] = [queue.execute([drone]), queue.execute([drone])];
    await refusalOf(second, 'ERR_ROUND_IN_FLIGHT');
    assert.equal(call.valueIn(await first), 'mine');
  });

  test(`${make.name}: arguments of the wrong kind are rejected by name before anything is taken`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', NEXT);
    const call = drone.queueCall('echo', 'kept');
    const wrong: readonly (readonly [message: RegExp, ask: () => Promise<unknown>])[] = [
      [/^drones\[1\] is undefined, expected a drone$/, () => queue.execute([drone, undefined as unknown as AnyDrone])],
      [/^drones is FakeDrone.*, expected a list of drones$/, () => queue.execute(drone as never)],
      [/^drones is undefined, expected a list of drones$/, () => queue.settle(undefined as never)],
      [/^drones\[1\] is 'web1'/, () => queue.settle([drone, 'web1' as unknown as AnyDrone])],
      [/^signal is \{\}, expected an AbortSignal$/, () => queue.execute([drone], { signal: {} as AbortSignal })],
      [/^drone is 5, expected a drone$/, () => queue.call(5 as unknown as FakeDrone<typeof NEXT>, 'echo', '')],
      [/^method is '', expected the name of a method$/, () => queue.call(drone, '' as 'echo', '')],
    ];
    for (const [message, ask] of wrong) {
      const error = await rejectionOf(ask());
      assert.ok(error instanceof TypeError);
      assert.equal((error as { code?: unknown }).code, 'ERR_INVALID_ARG');
      assert.match(error.message, message);
    }
    await assert.rejects(queue.execute(5 as unknown as AnyDrone[]), TypeError);
    assert.deepEqual(drone.getCalls(), [call]);
    assert.equal(call.valueIn(await queue.execute([drone])), 'kept');
  });

  test(`${make.name}: an iterator that throws is passed on and starts nothing`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', NEXT);
    drone.queueCall('echo', 'kept');
    const broken = function* (): Generator<AnyDrone> {
      yield drone;
      throw new RangeError('half way');
    };
    await assert.rejects(queue.execute(broken()), { name: 'RangeError', message: 'half way' });
    assert.equal(drone.getCalls().length, 1);
    assert.equal((await queue.execute(new Set([drone]))).size, 1);
  });

  test(`${make.name}: a round without work that was not awaited does not stand in the way of the next`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', NEXT);
    await queue.execute([drone], { wait: false, signal: new AbortController().signal });
    await queue.execute([], { wait: false });
    drone.queueCall('echo', 'now');
    assert.deepEqual((await queue.execute([drone])).get(drone), ['now']);
  });

  test(`${make.name}: a failed round leaves no reason to refuse the next`, async () => {
    await using queue = make();
    const good = new FakeDrone('good', NEXT);
    const bad = new FakeDrone('bad', { fail: () => assert.fail('as told') });
    for (let round = 0; round < 3; round++) {
      good.queueCall('echo', String(round));
      bad.queueCall('fail');
      const { results } = await exceptionOf(queue.execute([good, bad]));
      assert.deepEqual([...results], [[good, [String(round)]]]);
      assert.deepEqual(await queue.getResults(), new Map());
    }
  });
}
