/** Rules 2, 3, 4, 6 and 11: who takes part in a round, what is in its batches, and in which order. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events, type TaskQueueOptions, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { failureOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

const ECHO = { echo: (value: unknown): unknown => value };

/** Keeps the warnings that a queue logs. */
function warnings(): { readonly log: NonNullable<TaskQueueOptions['log']>; readonly lines: string[] } {
  const lines: string[] = [];
  const quiet = (): void => undefined;
  const warn = (line: string): void => {
    lines.push(line);
  };
  return { log: { debug: quiet, info: quiet, warn, error: quiet }, lines };
}

for (const make of queues) {
  test(`${make.name}: drones without work are skipped and have no key in the results`, async () => {
    await using queue = make();
    const drones = ['a', 'b', 'c'].map(name => new FakeDrone(name, ECHO));
    drones[1]?.queueCall('echo', 1);
    const results = await queue.execute(drones);
    assert.deepEqual([...results], [[drones[1], [1]]]);
    assert.deepEqual(
      drones.map(({ connections, batches }) => [connections, batches.length]),
      [[0, 0], [1, 1], [0, 0]], // prettier-ignore
    );
    assert.deepEqual(await queue.execute(drones), new Map());
    assert.deepEqual(await queue.execute([]), new Map());
    assert.equal(await queue.execute(drones, { wait: false }), undefined);
    assert.deepEqual(await queue.settle(drones), { results: new Map(), failures: new Map() });
  });

  test(`${make.name}: results come in the order of the drones, one value per call in order`, async () => {
    await using queue = make();
    const gate = new Gate();
    const slow = new FakeDrone('slow', { echo: (value: number) => gate.wait().then(() => value) });
    const quick = new FakeDrone('quick', {
      echo: (value: number) => {
        gate.open();
        return value;
      },
    });
    // One after the other, the slow drone could not wait for the quick one.
    if (make.name === 'serial') gate.open();
    for (const value of [1, 2, 3]) {
      slow.queueCall('echo', value);
      quick.queueCall('echo', -value);
    }
    const results = await queue.execute([slow, quick]);
    assert.deepEqual([...results], [[slow, [1, 2, 3]], [quick, [-1, -2, -3]]]); // prettier-ignore
  });

  test(`${make.name}: calls queued while the batch is in flight belong to the next round`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { echo: (value: string) => gate.wait().then(() => value) });
    const first = drone.queueCall('echo', 'first');
    const handedOver = queue.execute([drone], { wait: false });
    assert.deepEqual(drone.getCalls(), []);
    const early = drone.queueCall('echo', 'right after execute');
    await gate.arrived();
    const late = drone.queueCall('echo', 'while it runs');
    drone.queueKillProcess({ hostname: 'web1', pid: 77 });
    gate.open();
    await handedOver;

    const results = await queue.getResults();
    assert.deepEqual(results.get(drone), ['first']);
    assert.equal(first.valueIn(results), 'first');
    assert.deepEqual(drone.kills, []);
    assert.deepEqual(drone.getCalls(), [early, late]);
    assert.deepEqual((await queue.execute([drone])).get(drone), ['right after execute', 'while it runs']);
    assert.deepEqual(
      drone.kills.map(({ pid }) => pid),
      [77],
    );
  });

  test(`${make.name}: clearing the queue while the batch is in flight does not touch the batch`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { echo: (value: string) => gate.wait().then(() => value) });
    drone.queueCall('echo', 'first');
    const handedOver = queue.execute([drone], { wait: false });
    await gate.arrived();
    drone.queueCall('echo', 'never');
    drone.clearCallQueue();
    gate.open();
    await handedOver;
    assert.deepEqual((await queue.getResults()).get(drone), ['first']);
    assert.deepEqual(await queue.execute([drone]), new Map());
  });

  test(`${make.name}: each drone with work has one worker named after queue and host`, async () => {
    using started = new Witness(events.workerStart);
    using finished = new Witness(events.workerFinish);
    await using queue = make({ name: 'refresh' });
    const drones = ['web1.example.com', 'plain', 'idle'].map(name => new FakeDrone(name, ECHO));
    for (const drone of drones.slice(0, 2)) drone.queueCall('echo', drone.hostname);
    await queue.execute(drones);
    const expected = [
      { queue: 'refresh', worker: 'refresh.web1_example_com', hostname: 'web1.example.com' },
      { queue: 'refresh', worker: 'refresh.plain', hostname: 'plain' },
    ];
    assert.deepEqual(started.seen, expected);
    const ended = finished.seen.map(({ worker }) => worker).sort();
    assert.deepEqual(ended, ['refresh.plain', 'refresh.web1_example_com']);
  });

  test(`${make.name}: kills come before the batch and have no value in the results`, async () => {
    await using queue = make();
    const order: string[] = [];
    const drone = new FakeDrone('web1', {
      killProcesses: (list: { pid: number }[]) => {
        order.push(`kill ${list.map(({ pid }) => pid).join(' ')}`);
        return list.map(({ pid }) => ({ pid, killed: true }));
      },
      note: (what: string) => order.push(what),
    });
    const call = drone.queueCall('note', 'call');
    drone.queueKillProcess({ hostname: 'web1', pid: 12 });
    drone.queueKillProcess({ hostname: 'web1', pid: 13 });
    const results = await queue.execute([drone]);
    assert.deepEqual(order, ['kill 12 13', 'call']);
    assert.deepEqual(results.get(drone), [2]);
    assert.equal(call.valueIn(results), 2);
    assert.deepEqual(drone.batches, [[{ method: 'note', args: ['call'] }]]);
  });

  test(`${make.name}: kills alone are work and give an empty list`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', ECHO);
    drone.queueKillProcess({ hostname: 'web1', pid: 12 });
    assert.deepEqual([...(await queue.execute([drone]))], [[drone, []]]);
    assert.deepEqual(drone.kills, [{ hostname: 'web1', pid: 12 }]);
    assert.deepEqual(await queue.execute([drone]), new Map());
  });

  test(`${make.name}: a kill that fails is a warning and its batch runs on`, async () => {
    const answers: readonly (readonly [answer: () => unknown, warning: RegExp | undefined])[] = [
      [() => [{ pid: 12, killed: false }], /Warning from drone web1: process 12 could not be killed/],
      [() => assert.fail('no such luck'), /Warning from drone web1: .*could not be killed.*no such luck/],
      [() => undefined, undefined],
      [() => [null, 5, { pid: 12, killed: true }], undefined],
    ];
    for (const [answer, warning] of answers) {
      using told = new Witness(events.droneWarning);
      const { log, lines } = warnings();
      await using queue = make({ log });
      const drone = new FakeDrone('web1', { ...ECHO, killProcesses: answer });
      drone.queueCall('echo', 'ran on');
      drone.queueKillProcess({ hostname: 'web1', pid: 12 });
      assert.deepEqual((await queue.execute([drone])).get(drone), ['ran on']);
      assert.equal(lines.length, warning ? 1 : 0);
      assert.equal(told.seen.length, lines.length);
      if (warning) assert.match(lines[0] ?? '', warning);
    }
  });

  test(`${make.name}: kills that were never sent go back to the drone`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', ECHO);
    drone.queueKillProcess({ hostname: 'web1', pid: 12 });
    drone.misbehave('refuse');
    assert.deepEqual(failureOf(await queue.settle([drone]), drone).notStarted, []);
    drone.behave();
    assert.deepEqual([...(await queue.execute([drone]))], [[drone, []]]);
    assert.deepEqual(
      drone.kills.map(({ pid }) => pid),
      [12],
    );
  });

  test(`${make.name}: of two getResults at once the second gets an empty map`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', ECHO);
    drone.queueCall('echo', 1);
    await queue.execute([drone], { wait: false });
    const [first, second] = await Promise.all([queue.getResults(), queue.getResults()]);
    assert.deepEqual([...first], [[drone, [1]]]);
    assert.deepEqual(second, new Map());
    assert.deepEqual(await queue.getResults(), new Map());
  });

  test(`${make.name}: a drone moves freely between queues and rounds`, async () => {
    await using one = make({ name: 'one' });
    await using two = make({ name: 'two' });
    const drone = new FakeDrone('web1', ECHO);
    for (const [value, queue] of [one, two, one].entries()) {
      drone.queueCall('echo', value);
      assert.deepEqual((await queue.execute([drone])).get(drone), [value]);
    }
    assert.equal(drone.connections, 2);
  });

  test(`${make.name}: a warm connection serves the next round`, async () => {
    using opened = new Witness(events.linkOpen);
    await using queue = make();
    const drone = new FakeDrone('web1', ECHO);
    for (let round = 0; round < 3; round++) {
      drone.queueCall('echo', round);
      await queue.execute([drone]);
    }
    assert.equal(opened.seen.length, 1);
    assert.equal(drone.connections, 1);
  });
}

test('threaded: drones of a round run side by side', async () => {
  await using queue = new ThreadedTaskQueue({ threads: 1 });
  const gate = new Gate();
  const drones = Array.from({ length: 12 }, (_, n) => new FakeDrone(`web${String(n)}`, { wait: () => gate.wait() }));
  for (const drone of drones) drone.queueCall('wait');
  await queue.execute(drones, { wait: false });
  await gate.arrived(drones.length);
  gate.open();
  assert.equal((await queue.getResults()).size, drones.length);
});

test('serial: drones of a round run one after the other, and wait: false resolves at the end of the round', async () => {
  const [make] = queues;
  assert.ok(make);
  await using queue = make();
  const order: string[] = [];
  const drones = ['a', 'b', 'c'].map(
    name => new FakeDrone(name, { step: (n: number) => order.push(`${name}${String(n)}`) }),
  );
  for (const drone of drones) for (const n of [1, 2]) drone.queueCall('step', n);
  await queue.execute(drones, { wait: false });
  assert.deepEqual(order, ['a1', 'a2', 'b1', 'b2', 'c1', 'c2']);
  await queue.waitOnDrones();
  assert.equal((await queue.getResults()).size, 3);
});
