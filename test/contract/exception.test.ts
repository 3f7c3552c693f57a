/** Rules 5 and 6: the one exception of a round, and where its good results are found. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import { type AnyDrone, type Call, type DroneResults, type DroneTaskQueueException } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';

leakCheck();

const METHODS = {
  echo: (value: unknown): unknown => value,
  fail: (message: string): never => {
    throw new Error(message);
  },
};

function noValue(call: Call, round: DroneResults | DroneTaskQueueException): Error & { code?: string } {
  try {
    call.valueIn(round);
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  return assert.fail('it has a value');
}

for (const make of queues) {
  test(`${make.name}: waitOnDrones returns when there is no round, however often`, async () => {
    await using queue = make();
    await queue.waitOnDrones();
    await Promise.all([queue.waitOnDrones(), queue.waitOnDrones()]);
  });

  test(`${make.name}: waitOnDrones waits for all drones before it tells of the one that failed`, async () => {
    await using queue = make();
    const gate = new Gate();
    const bad = new FakeDrone('bad', METHODS);
    const held = new FakeDrone('held', { wait: () => gate.wait().then(() => 'waited for') });
    bad.queueCall('fail', 'at once');
    held.queueCall('wait');
    const handedOver = queue.execute([bad, held], { wait: false });
    let told = false;
    const waiting = exceptionOf(queue.waitOnDrones()).finally(() => {
      told = true;
    });
    await gate.arrived();
    assert.equal(told, false);
    gate.open();
    await handedOver;
    const exception = await waiting;
    assert.deepEqual([...exception.results], [[held, ['waited for']]]);
  });

  test(`${make.name}: a failure is reported even if its argument and reason throw when shown`, async () => {
    await using queue = make();
    const shown = (): never => assert.fail('it was shown');
    const drone = new FakeDrone('web1', METHODS);
    drone.queueCall('echo', { [inspect.custom]: shown });
    const reason = Object.defineProperty(new Error(), 'message', { get: shown });
    const exception = await exceptionOf(
      queue.execute([drone], { signal: AbortSignal.abort(reason) }),
      'ERR_ROUND_CANCELLED',
    );
    assert.equal(failureOf(exception, drone).cause, reason);
    assert.equal(String(drone.getCalls()[0]), 'echo((a value of type object that cannot be shown))');
    assert.deepEqual(await queue.call(drone, 'echo', 1), 1);
  });

  test(`${make.name}: one exception has a line and an error per failed drone, and the good results`, async () => {
    await using queue = make();
    const drones = ['web1.example.com', 'web2', 'web3'].map(name => new FakeDrone(name, METHODS));
    drones[0]?.queueCall('fail', 'first line\nsecond line');
    drones[1]?.queueCall('echo', 2);
    drones[2]?.queueCall('fail', 'three');
    await queue.execute(drones, { wait: false });
    const exception = await exceptionOf(queue.waitOnDrones());
    assert.ok(exception instanceof AggregateError);
    assert.equal(exception.name, 'DroneTaskQueueException');
    assert.deepEqual(exception.message.split('\n'), [
      "Drone web1.example.com raised Exception fail('first line\\nsecond line'): Error: first line",
      "Drone web3 raised Exception fail('three'): Error: three",
    ]);
    assert.deepEqual(exception.errors, [...exception.failures.values()]);
    assert.deepEqual([...exception.failures.keys()], [drones[0], drones[2]]);
    assert.deepEqual([...exception.results], [[drones[1], [2]]]);
  });

  test(`${make.name}: good results stay fetchable after waitOnDrones threw, once`, async () => {
    await using queue = make();
    const good = new FakeDrone('good', METHODS);
    const bad = new FakeDrone('bad', METHODS);
    const call = good.queueCall('echo', 'kept');
    bad.queueCall('fail', 'as told');
    await queue.execute([bad, good], { wait: false });
    const exception = await exceptionOf(queue.waitOnDrones());
    await queue.waitOnDrones();
    exception.results.clear();
    const results = await queue.getResults();
    assert.deepEqual([...results], [[good, ['kept']]]);
    assert.equal(call.valueIn(results), 'kept');
    assert.deepEqual(await queue.getResults(), new Map());
  });

  test(`${make.name}: an execute that rejects carries the results away and leaves a clean queue`, async () => {
    await using queue = make();
    const good = new FakeDrone('good', METHODS);
    const bad = new FakeDrone('bad', METHODS);
    good.queueCall('echo', 1);
    bad.queueCall('fail', 'as told');
    const exception = await exceptionOf(queue.execute([good, bad]));
    assert.deepEqual([...exception.results], [[good, [1]]]);
    await queue.waitOnDrones();
    assert.deepEqual(await queue.getResults(), new Map());
    good.queueCall('echo', 2);
    assert.deepEqual((await queue.execute([good, bad])).get(good), [2]);
  });

  test(`${make.name}: of two getResults of a failed round the first throws and the second is empty`, async () => {
    await using queue = make();
    const good = new FakeDrone('good', METHODS);
    const bad = new FakeDrone('bad', METHODS);
    good.queueCall('echo', 1);
    bad.queueCall('fail', 'as told');
    await queue.execute([good, bad], { wait: false });
    const [first, second] = await Promise.all([exceptionOf(queue.getResults()), queue.getResults()]);
    assert.equal(first.results.size, 1);
    assert.deepEqual(second, new Map());
  });

  test(`${make.name}: the exception names twenty drones and counts the rest`, async () => {
    await using queue = make();
    const drones = Array.from({ length: 23 }, (_, n) => new FakeDrone(`web${String(n)}`, METHODS));
    for (const drone of drones) drone.queueCall('fail', 'as told');
    const exception = await exceptionOf(queue.execute(drones));
    const lines = exception.message.split('\n');
    assert.equal(lines.length, 21);
    assert.match(lines[19] ?? '', /^Drone web19 raised Exception /);
    assert.equal(lines[20], 'and 3 more');
    assert.equal(exception.failures.size, 23);
    assert.equal(exception.errors.length, 23);

    for (const drone of drones.slice(0, 20)) drone.queueCall('fail', 'as told');
    const { message } = await exceptionOf(queue.execute(drones));
    assert.equal(message.split('\n').length, 20);
  });

  test(`${make.name}: settle resolves with failures beside results, and leaves a clean queue`, async () => {
    await using queue = make();
    const good = new FakeDrone('good', METHODS);
    const bad = new FakeDrone('bad', METHODS);
    good.queueCall('echo', 1);
    bad.queueCall('fail', 'as told');
    const { results, failures } = await queue.settle([good, bad]);
    assert.deepEqual([...results], [[good, [1]]]);
    assert.deepEqual([...failures.keys()], [bad]);
    await queue.waitOnDrones();
    assert.deepEqual(await queue.settle([]), { results: new Map(), failures: new Map() });
  });

  test(`${make.name}: valueIn finds the value of its own call wherever it is kept`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    const other = new FakeDrone('web2', METHODS);
    const calls = [1, 2, 3].map(value => drone.queueCall('echo', value));
    const undefinedValue = drone.queueCall('echo', undefined);
    other.queueCall('fail', 'as told');
    const exception = await exceptionOf(queue.execute([drone, other]));
    for (const round of [exception, exception.results, new Map(exception.results)]) {
      assert.deepEqual(
        calls.map(call => call.valueIn(round)),
        [1, 2, 3],
      );
      assert.equal(undefinedValue.valueIn(round), undefined);
    }
  });

  test(`${make.name}: valueIn throws ERR_NO_VALUE, with the drone's failure as cause, for a call without a value`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    const other = new FakeDrone('web2', METHODS);
    const done = drone.queueCall('echo', 'done');
    const failed = drone.queueCall('fail', 'as told');
    const behind = drone.queueCall('echo', 'behind');
    const notInIt = other.queueCall('echo', 'not in it');
    const exception = await exceptionOf(queue.execute([drone]));
    const failure = failureOf(exception, drone);
    assert.equal(done.valueIn(exception), 'done');
    for (const call of [failed, behind]) {
      const error = noValue(call, exception);
      assert.equal(error.code, 'ERR_NO_VALUE');
      assert.equal(error.cause, failure);
      assert.match(error.message, /^web1: (fail|echo)\('.*'\) has no value in this round$/);
    }
    for (const round of [exception, exception.results, new Map<AnyDrone, unknown[]>()]) {
      const error = noValue(notInIt, round);
      assert.deepEqual([error.code, error.cause], ['ERR_NO_VALUE', undefined]);
    }

    const results = await queue.execute([drone, other]);
    assert.equal(behind.valueIn(results), 'behind');
    assert.equal(notInIt.valueIn(results), 'not in it');
    assert.equal(noValue(done, results).code, 'ERR_NO_VALUE');
  });

  test(`${make.name}: valueIn refuses one drone's failure, and names what it takes`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    const done = drone.queueCall('echo', 'done');
    drone.queueCall('fail', 'as told');
    const failure = failureOf(await exceptionOf(queue.execute([drone])), drone);
    for (const wrong of [failure, undefined, 'web1']) {
      assert.throws(() => Reflect.apply(done.valueIn, done, [wrong]), {
        code: 'ERR_INVALID_ARG',
        message: /^round is/,
      });
    }
  });

  test(`${make.name}: one drone's value is never another's, whatever the order they finish in`, async () => {
    await using queue = make();
    const drones = Array.from(
      { length: 200 },
      (_, n) =>
        new FakeDrone(`web${String(n)}`, {
          // Each call lets go of a random number of turns of the event loop, so that drones overtake each other.
          work: async (round: number, call: number) => {
            for (let turns = Math.floor(Math.random() * 20); turns > 0; turns--) await new Promise(setImmediate);
            if (n % 17 === round && call === 2) throw new Error(`web${String(n)}`);
            return `${String(n)}/${String(round)}/${String(call)}`;
          },
        }),
    );
    for (let round = 0; round < 3; round++) {
      const calls = drones.map(drone => [0, 1, 2].map(call => drone.queueCall('work', round, call)));
      const exception = await exceptionOf(queue.execute(drones));
      for (const [n, drone] of drones.entries()) {
        const fails = n % 17 === round;
        const values = [0, 1, 2].map(call => `${String(n)}/${String(round)}/${String(call)}`);
        if (fails) {
          const { completed, cause, call } = failureOf(exception, drone);
          assert.deepEqual(completed, values.slice(0, 2));
          assert.equal((cause as Error).message, drone.hostname);
          assert.equal(call, calls[n]?.[2]);
        } else {
          assert.deepEqual(exception.results.get(drone), values);
        }
      }
    }
  });
}
