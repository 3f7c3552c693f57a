/** What the death of a worker thread costs: its own drones, this round, and no more. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import test from 'node:test';
import { type AnyDrone, type DroneError, events, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone, type FakeFault, Gate } from 'drone-task-queue/testing';
import { exceptionOf, failureOf, rejectionOf } from './rejections.js';
import { Witness } from './witness.js';

const echo = (value: number): number => value;

/** Drones that work until their gate opens, with the thread that each of them is served by. */
export async function spread(
  queue: ThreadedTaskQueue,
  drones: readonly FakeDrone<{ wait(): void }>[],
  gate: Gate,
): Promise<Map<AnyDrone, number>> {
  for (const drone of drones) drone.queueCall('wait');
  await queue.execute(drones, { wait: false });
  await gate.arrived(drones.length);
  const threads = new Map([...queue.droneThreads].map(([drone, worker]) => [drone, worker.threadId]));
  gate.open();
  await queue.getResults();
  return threads;
}

/** The tests of one way to die; the failure's cause matches `cause`. */
export function testThreadDeath(fault: FakeFault, cause: RegExp): void {
  test(`a worker thread that dies of '${fault}' costs only its own unfinished drones, and is replaced`, async () => {
    using lost = new Witness(events.threadLost);
    using finished = new Witness(events.workerFinish);
    await using queue = new ThreadedTaskQueue({ threads: 2, threadHeapMb: 32 });
    const gates = { probe: new Gate(), round: new Gate() };
    let gate = gates.probe;
    const drones = Array.from(
      { length: 12 },
      (_, n) => new FakeDrone(`web${String(n)}`, { wait: () => gate.wait(), echo }),
    );
    const threads = await spread(queue, drones, gates.probe);
    const [killer] = drones;
    assert.ok(killer);
    const doomed = drones.filter(drone => threads.get(drone) === threads.get(killer));
    const others = drones.filter(drone => !doomed.includes(drone));
    assert.ok(doomed.length >= 3 && others.length >= 1, 'twelve drones are spread over two threads');

    // One drone of the doomed thread is done before it dies, the others of all threads are in mid-call.
    gate = gates.round;
    const done = doomed[1]!;
    const calls = new Map(
      drones.map(drone => [drone, drone === done ? drone.queueCall('echo', 7) : drone.queueCall('wait')]),
    );
    finished.seen.length = 0;
    await queue.execute(drones, { wait: false });
    await Promise.all([gate.arrived(drones.length - 1), finished.first(({ hostname }) => hostname === done.hostname)]);
    killer.misbehave(fault);
    const trigger = queue.call(killer, 'echo', 1).then(
      () => assert.fail('it returned'),
      (error: unknown) => error,
    );
    const threadLost = await lost.first();
    gate.open();
    const exception = await exceptionOf(queue.getResults());
    await trigger;

    assert.equal(threadLost.threadId, threads.get(killer));
    const failed = doomed.filter(drone => drone !== done);
    assert.deepEqual(new Set(exception.failures.keys()), new Set<AnyDrone>(failed));
    for (const drone of failed) {
      const failure = failureOf(exception, drone);
      assert.equal(failure.kind, 'worker-lost');
      assert.equal(failure.phase, 'call');
      assert.match(String(failure.cause), cause);
      assert.deepEqual(failure.mayHaveRun, [calls.get(drone)]);
      assert.deepEqual(failure.notStarted, []);
      assert.deepEqual(drone.getCalls(), []);
    }
    assert.deepEqual(exception.results.get(done), [7]);
    for (const drone of others) assert.deepEqual(exception.results.get(drone), [undefined]);

    killer.behave();
    for (const [n, drone] of drones.entries()) drone.queueCall('echo', n);
    const results = await queue.execute(drones);
    assert.deepEqual([...results.values()], drones.map((_, n) => [n])); // prettier-ignore
    assert.equal(lost.seen.length, 1);
  });

  test(`a thread that dies of '${fault}' while it connects, runs calls, and the queue is closing, leaves no caller waiting`, async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    using lost = new Witness(events.threadLost);
    const queue = new ThreadedTaskQueue({ threads: 1, threadHeapMb: 32, connectTimeoutMs: Infinity });
    const gate = new Gate();
    // Its connection is accepted, and nothing answers.
    const silent = new SshDrone('silent', { host: '127.0.0.1', port });
    const busy = new FakeDrone('busy', { wait: () => gate.wait() });
    const killer = new FakeDrone('killer', { kill: () => undefined });
    const connecting = silent.queueCall('run', 'true');
    const running = busy.queueCall('wait');
    await queue.execute([silent, busy], { wait: false });
    const beside = rejectionOf(queue.call(busy, 'wait'));
    const [socket] = (await once(server, 'connection')) as [Socket];
    await gate.arrived(2);
    killer.misbehave(fault);
    const trigger = rejectionOf(queue.call(killer, 'kill'));
    const closing = queue.close({ graceMs: Infinity });

    for (const error of [await beside, await trigger]) {
      assert.equal((error as DroneError).kind, 'worker-lost');
      assert.match(String((error as DroneError).cause), cause);
    }
    const exception = await exceptionOf(queue.getResults());
    const failures = [failureOf(exception, silent), failureOf(exception, busy)];
    assert.deepEqual(
      failures.map(({ kind, notStarted, mayHaveRun }) => ({ kind, notStarted, mayHaveRun })),
      [
        { kind: 'worker-lost', notStarted: [connecting], mayHaveRun: [] },
        { kind: 'worker-lost', notStarted: [], mayHaveRun: [running] },
      ],
    );
    assert.deepEqual(await closing, { abandoned: [] });
    assert.equal(lost.seen.length, 1);
    socket.destroy();
    server.close();
  });
}
