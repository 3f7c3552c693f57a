/** Rounds that go no further after so many failures. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { StopOn } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf } from './rejections.js';

leakCheck();

const ECHO = { echo: (value: unknown): unknown => value };

/** Ten drones, those at `bad` out of reach. On one thread, one after the other, so that the order is certain. */
function tenDrones(bad: readonly number[]): FakeDrone<typeof ECHO>[] {
  return Array.from({ length: 10 }, (_, at) => {
    const drone = new FakeDrone(`web${String(at)}`, ECHO);
    if (bad.includes(at)) drone.misbehave('refuse');
    drone.queueCall('echo', at);
    return drone;
  });
}

for (const make of queues) {
  const ends: readonly [StopOn, readonly number[], number][] = [
    ['never', [0, 1, 2, 3], 4],
    ['first', [2, 5], 1],
    [{ failures: 2 }, [1, 3, 5], 2],
    [{ ratio: 0.3 }, [0, 1, 2, 3], 3],
    // A little more than 7, in binary fractions.
    [{ ratio: 0.7 }, [0, 1, 2, 3, 4, 5, 6, 7], 7],
  ];
  for (const [stopOn, bad, failures] of ends) {
    test(`${make.name}: a round with stopOn ${JSON.stringify(stopOn)} goes no further than that`, async () => {
      await using queue = make({ stopOn, maxConnecting: 1 });
      const drones = tenDrones(bad);
      const exception = await exceptionOf(queue.execute(drones));
      const kinds = new Map([...exception.failures].map(([drone, { kind }]) => [drone, kind]));
      const unreachable = drones.filter(drone => kinds.get(drone) === 'unreachable');
      const left = drones.filter(drone => kinds.get(drone) === 'not-contacted');
      assert.equal(exception.results.size + unreachable.length + left.length, drones.length);
      // Side by side, others may be at work already when the last of them fails.
      assert(unreachable.length >= failures, `${String(unreachable.length)} of ${String(failures)}`);
      if (stopOn === 'never') assert.equal(left.length, 0);
      else assert(left.length > 0);
      for (const drone of left) {
        const failure = exception.failures.get(drone);
        assert.deepEqual(failure?.notStarted, drone.getCalls());
        assert.equal((failure?.cause as { code?: unknown }).code, 'ERR_ROUND_STOPPED');
        assert.equal(drone.batches.length, 0);
      }
      for (const drone of drones) drone.behave();
      assert.equal((await queue.execute(exception.failures.keys())).size, unreachable.length + left.length);
    });
  }

  test(`${make.name}: a round's own stopOn comes before that of its queue`, async () => {
    await using queue = make({ stopOn: 'first', maxConnecting: 1 });
    const drones = tenDrones([0, 1, 2]);
    const { failures, results } = await queue.settle(drones, { stopOn: 'never' });
    assert.deepEqual([failures.size, results.size], [3, 7]);
  });

  test(`${make.name}: a drone that waits to be tried again keeps its failure when the round goes no further`, async () => {
    await using queue = make({ stopOn: { failures: 2 }, retry: { attempts: 2, backoffMs: 300, jitter: 0 } });
    const drones = tenDrones([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const { failures } = await queue.settle(drones);
    for (const [drone, { kind, attempts }] of failures) {
      assert.equal(kind === 'unreachable' ? attempts > 0 : kind === 'not-contacted', true);
      assert.equal(drone.getCalls().length, 1);
    }
    assert.equal(failures.size, 10);
  });

  test(`${make.name}: a drone that is at work when the round goes no further ends its work`, async () => {
    await using queue = make({ stopOn: 'first' });
    const warm = new FakeDrone('warm', { slow: () => new Promise(resolve => setTimeout(resolve, 50, 'done')) });
    warm.queueCall('slow');
    await queue.execute([warm]);
    warm.queueCall('slow');
    const bad = new FakeDrone('bad', ECHO);
    bad.misbehave('refuse');
    bad.queueCall('echo', 1);
    const { results, failures } = await queue.settle([warm, bad]);
    assert.deepEqual(results.get(warm), ['done']);
    assert.deepEqual([...failures.keys()], [bad]);
  });

  test(`${make.name}: a stopOn that makes no sense is refused, and so is its round`, async () => {
    const bad = ['last', { failures: 0 }, { failures: 1.5 }, { ratio: 2 }, { ratio: 0 }, {}, { failures: 1, ratio: 1 }];
    for (const stopOn of bad as StopOn[]) {
      assert.throws(() => make({ stopOn }), { code: 'ERR_INVALID_ARG' });
      await using queue = make();
      const drone = new FakeDrone('web1', ECHO);
      const call = drone.queueCall('echo', 1);
      await assert.rejects(queue.execute([drone], { stopOn }), { code: 'ERR_INVALID_ARG' });
      assert.deepEqual(drone.getCalls(), [call]);
    }
  });
}
