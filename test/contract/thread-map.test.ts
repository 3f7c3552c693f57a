/** What a ThreadedTaskQueue shows of a round in flight: `droneThreads` and `inFlight`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { threadId as mainThreadId } from 'node:worker_threads';
import { type AnyDrone, type DroneWorker, events, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { exceptionOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

function workerOf(queue: ThreadedTaskQueue, drone: AnyDrone): DroneWorker {
  const worker = queue.droneThreads.get(drone);
  assert.ok(worker, `${drone.hostname} is not in the thread map`);
  return worker;
}

test('the thread map shows who is waited for, in which call and on which thread', async () => {
  using finished = new Witness(events.workerFinish);
  await using queue = new ThreadedTaskQueue({ name: 'tick', threads: 1 });
  const [gateA, gateB] = [new Gate(), new Gate()];
  const held = new FakeDrone('a.example.com', { first: () => gateA.wait(), second: () => gateB.wait() });
  const quick = new FakeDrone('b', { first: () => 1 });
  const idle = new FakeDrone('c', {});
  const calls = [held.queueCall('first'), held.queueCall('second')];
  quick.queueCall('first');
  await queue.execute([held, quick, idle], { wait: false });
  await Promise.all([gateA.arrived(), finished.first(({ hostname }) => hostname === 'b')]);

  assert.deepEqual([...queue.droneThreads.keys()], [held, quick]);
  const worker = workerOf(queue, held);
  assert.equal(worker.drone, held);
  assert.equal(worker.name, 'tick.a_example_com');
  assert.equal(worker.phase, 'call');
  assert.equal(worker.call, calls[0]);
  assert.ok(worker.inPhaseMs >= 0 && Number.isFinite(worker.inPhaseMs));
  assert.ok(worker.threadId > 0 && worker.threadId !== mainThreadId);
  assert.deepEqual(queue.inFlight(), [worker]);
  assert.equal(workerOf(queue, quick).call, undefined);

  gateA.open();
  await gateB.arrived();
  // The value of the first call may still be on its way when the second is running already.
  while (worker.call === calls[0]) await new Promise(setImmediate);
  assert.equal(worker.call, calls[1]);
  gateB.open();
  await queue.waitOnDrones();
  assert.equal(queue.droneThreads.size, 0);
  assert.deepEqual(queue.inFlight(), []);
  assert.equal(worker.call, undefined);
  await queue.getResults();
});

test('the thread map is filled before execute gives control back', async () => {
  await using queue = new ThreadedTaskQueue({ threads: 1 });
  const drones = ['a', 'b'].map(name => new FakeDrone(name, { echo: (n: number) => n }));
  for (const [n, drone] of drones.entries()) drone.queueCall('echo', n);
  const results = queue.execute(drones);
  assert.deepEqual([...queue.droneThreads.keys()], drones);
  assert.deepEqual(
    queue.inFlight().map(({ phase, call }) => [phase, call?.method]),
    [['waiting', 'echo'], ['waiting', 'echo']], // prettier-ignore
  );
  await results;
  assert.equal(queue.droneThreads.size, 0);
});

test('the thread map keeps its workers until a wait, and is cleared before failures are reported', async () => {
  using finished = new Witness(events.workerException);
  await using queue = new ThreadedTaskQueue({ threads: 1 });
  const drone = new FakeDrone('web1', { fail: () => assert.fail('as told') });
  drone.queueCall('fail');
  await queue.execute([drone], { wait: false });
  await finished.first();
  assert.equal(queue.droneThreads.size, 1);
  assert.deepEqual(queue.inFlight(), []);
  await exceptionOf(queue.waitOnDrones());
  assert.equal(queue.droneThreads.size, 0);
});

test('the same drone stays on the same thread, and many drones use all threads', async () => {
  await using queue = new ThreadedTaskQueue({ threads: 3 });
  const drones = Array.from({ length: 60 }, (_, n) => new FakeDrone(`web${String(n)}`, { wait: () => gate.wait() }));
  let gate = new Gate();
  const rounds: number[][] = [];
  for (let round = 0; round < 2; round++) {
    gate = new Gate();
    for (const drone of drones) drone.queueCall('wait');
    await queue.execute(drones, { wait: false });
    await gate.arrived(drones.length);
    rounds.push(drones.map(drone => workerOf(queue, drone).threadId));
    gate.open();
    await queue.getResults();
  }
  assert.deepEqual(rounds[0], rounds[1]);
  assert.equal(new Set(rounds[0]).size, 3);
});
