/** Rules 7, 8, 9 and 12: what becomes of the calls of a batch that fails, and how its failure is reported. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import { DroneError, type DroneErrorKind, type Phase } from 'drone-task-queue';
import { FakeDrone, type FakeFault } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { assertSame } from '../support/same.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf, rejectionOf } from './rejections.js';

leakCheck();

const METHODS = {
  echo: (value: unknown): unknown => value,
  fail: (value: unknown): never => {
    throw value;
  },
};

class OddError extends RangeError {
  override readonly name = 'OddError';
  readonly code = 'ERR_ODD';
}

/** What is thrown on a drone, and the cause that arrives. */
const THROWN: readonly (readonly [name: string, make: () => unknown, arrives?: (cause: unknown) => void])[] = [
  ['a string', () => 'just text'],
  ['an empty string', () => ''],
  ['undefined', () => undefined],
  ['null', () => null],
  ['false', () => false],
  ['a bigint', () => 10n],
  ['an object', () => ({ code: 7, list: [new Map([[1, -0]])] })],
  ['an AggregateError', () => new AggregateError([new Error('one'), 'two'], 'both')],
  [
    'a function',
    () => {
      const thrown = (): number => 1;
      return thrown;
    },
    cause => {
      assert.ok(cause instanceof Error);
      assert.match(cause.message, /\[Function: thrown\]/);
    },
  ],
  [
    'a symbol',
    () => Symbol('odd'),
    cause => {
      assert.ok(cause instanceof Error);
      assert.match(cause.message, /Symbol\(odd\)/);
    },
  ],
];

/** Each fault with what a drone that has it fails with. */
const FAULTS: readonly (readonly [fault: FakeFault, kind: DroneErrorKind, phase: Phase, sent: boolean])[] = [
  ['refuse', 'unreachable', 'connect', false],
  ['refuse-login', 'auth', 'connect', false],
  ['refuse-host-key', 'host-key', 'connect', false],
  ['refuse-agent', 'bootstrap', 'connect', false],
  ['die', 'lost', 'call', true],
  ['garbage', 'protocol', 'call', true],
  ['nonsense', 'protocol', 'call', true],
  ['freeze', 'timeout', 'call', true],
];

for (const make of queues) {
  test(`${make.name}: a call that throws ends its own batch, and the later ones go back in front`, async () => {
    await using queue = make();
    const bad = new FakeDrone('bad', METHODS);
    const good = new FakeDrone('good', METHODS);
    const before = [bad.queueCall('echo', 1), bad.queueCall('echo', 2)];
    const failed = bad.queueCall('fail', new Error('as told'));
    const after = [bad.queueCall('echo', 3), bad.queueCall('echo', 4)];
    good.queueCall('echo', 'unharmed');
    const round = queue.execute([bad, good]);
    const queuedSince = bad.queueCall('echo', 5);

    const exception = await exceptionOf(round);
    assert.deepEqual([...exception.results], [[good, ['unharmed']]]);
    const failure = failureOf(exception, bad);
    assert.equal(failure.kind, 'call');
    assert.equal(failure.phase, 'call');
    assert.equal(failure.attempts, 1);
    assert.deepEqual(failure.completed, [1, 2]);
    assert.equal(failure.call, failed);
    assert.deepEqual(failure.mayHaveRun, []);
    assert.deepEqual(failure.notStarted, after);
    assert.deepEqual(bad.getCalls(), [...after, queuedSince]);
    assert.equal(before[1]?.valueIn(exception), 2);

    const results = await queue.execute([bad]);
    assert.deepEqual(results.get(bad), [3, 4, 5]);
    assert.equal(after[0]?.valueIn(results), 3);
  });

  test(`${make.name}: a drone that goes away leaves its unanswered calls in mayHaveRun, and only idempotent ones return`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', { ...METHODS, leave: () => drone.misbehave('die') });
    drone.queueCall('leave');
    const running = drone.with({ idempotent: true }).queueCall('echo', 1);
    const sent = [drone.queueCall('echo', 2), drone.with({ idempotent: true }).queueCall('echo', 3)];
    const round = queue.settle([drone]);
    const queuedSince = drone.queueCall('echo', 4);

    const { results, failures } = await round;
    assert.equal(results.size, 0);
    const failure = failureOf({ failures }, drone);
    assert.equal(failure.kind, 'lost');
    assert.deepEqual(failure.completed, [undefined]);
    assert.equal(failure.call, undefined);
    assert.deepEqual(failure.mayHaveRun, [running, ...sent]);
    assert.deepEqual(failure.notStarted, []);
    assert.deepEqual(drone.getCalls(), [running, sent[1], queuedSince]);
    drone.behave();
    assert.deepEqual((await queue.execute([drone])).get(drone), [1, 3, 4]);
  });

  test(`${make.name}: an error arrives with its name, message, stack, code and cause`, async () => {
    await using queue = make();
    const thrown = new OddError('deep down', { cause: new TypeError('deeper', { cause: { why: new Set([1]) } }) });
    const drone = new FakeDrone('web1', { fail: () => Promise.reject(thrown) });
    const call = drone.queueCall('fail');
    const failure = failureOf(await queue.settle([drone]), drone);
    const cause = failure.cause as RangeError & { code?: unknown };
    assert.equal(Object.getPrototypeOf(cause), RangeError.prototype);
    assert.deepEqual([cause.name, cause.message, cause.code], ['OddError', 'deep down', 'ERR_ODD']);
    assert.equal(cause.stack, thrown.stack);
    const deeper = cause.cause as TypeError;
    assert.ok(deeper instanceof TypeError);
    assert.deepEqual([deeper.message, deeper.cause], ['deeper', { why: new Set([1]) }]);
    assert.equal(failure.code, 'ERR_DRONE');
    assert.equal(failure.message, 'fail(): OddError: deep down');
    assert.match(inspect(failure), /deeper/);
    assert.equal(failure.call, call);
  });

  test(`${make.name}: whatever is thrown is the cause, as it is where that can be`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', {
      fail: (at: number): never => {
        throw THROWN[at]?.[1]();
      },
    });
    for (const [at, [name, makeThrown, arrives]] of THROWN.entries()) {
      drone.queueCall('fail', at);
      const exception = await exceptionOf(queue.execute([drone]));
      const failure = failureOf(exception, drone);
      assert.equal(failure.kind, 'call', name);
      assert.match(exception.message, /^Drone web1 raised Exception fail\(\d+\): /);
      if (arrives) arrives(failure.cause);
      else if (!(makeThrown() instanceof Error)) assertSame(failure.cause, makeThrown());
      else assert.equal(String(failure.cause), String(makeThrown()));
    }
  });

  test(`${make.name}: a result that cannot be cloned fails its call as not-cloneable`, async () => {
    await using queue = make();
    const results: readonly (() => unknown)[] = [
      () => () => 1,
      () => Symbol('s'),
      () => ({ deep: [new WeakMap()] }),
      () => [Promise.resolve(1)],
      () => new Proxy({}, {}),
      () => new URL('https://example.com'),
    ];
    const drone = new FakeDrone('web1', { get: (at: number) => results[at]?.(), echo: METHODS.echo });
    const other = new FakeDrone('other', METHODS);
    for (const at of results.keys()) {
      drone.clearCallQueue();
      drone.queueCall('echo', 'before');
      const call = drone.queueCall('get', at);
      const after = drone.queueCall('echo', 'after');
      other.queueCall('echo', at);
      const exception = await exceptionOf(queue.execute([drone, other]));
      const failure = failureOf(exception, drone);
      assert.equal(failure.kind, 'not-cloneable', String(failure));
      assert.equal(failure.call, call);
      assert.deepEqual([failure.completed, failure.mayHaveRun, failure.notStarted], [['before'], [], [after]]);
      assert.equal((failure.cause as { code?: unknown }).code, 'ERR_NOT_CLONEABLE');
      assert.deepEqual(exception.results.get(other), [at]);
    }
  });

  test(`${make.name}: a method that is not there fails its call`, async () => {
    await using queue = make();
    const drone = new FakeDrone<{ nope(): void; toString(): string }>('web1', {} as never);
    for (const method of ['nope', 'toString', 'constructor', '__proto__']) {
      const error = await rejectionOf(queue.call(drone, method as 'nope'));
      assert.ok(error instanceof DroneError);
      assert.equal(error.kind, 'call');
      assert.equal((error.cause as { code?: unknown }).code, 'ERR_NO_METHOD', method);
    }
  });

  test(`${make.name}: methods of a class instance work as they are`, async () => {
    await using queue = make();
    class Counter {
      #count = 0;
      add(n: number): number {
        return (this.#count += n);
      }
    }
    const drone = new FakeDrone('web1', new Counter());
    drone.queueCall('add', 2);
    drone.queueCall('add', 3);
    assert.deepEqual((await queue.execute([drone])).get(drone), [2, 5]);
  });

  for (const [fault, kind, phase, sent] of FAULTS) {
    test(`${make.name}: a drone with fault '${fault}' fails as ${kind}, the others are unharmed and the queue goes on`, async () => {
      await using queue = make({ killGraceMs: 10 });
      const good = ['before', 'after'].map(name => new FakeDrone(name, METHODS));
      const bad = new FakeDrone('bad', METHODS);
      bad.misbehave(fault);
      const calls = [bad.with({ timeoutMs: 50 }).queueCall('echo', 1), bad.queueCall('echo', 2)];
      for (const drone of good) drone.queueCall('echo', drone.hostname);
      const exception = await exceptionOf(queue.execute([good[0]!, bad, good[1]!]));
      assert.deepEqual([...exception.failures.keys()], [bad]);
      assert.deepEqual([...exception.results.values()], [['before'], ['after']]);

      const failure = failureOf(exception, bad);
      assert.equal(failure.kind, kind, String(failure.cause));
      assert.equal(failure.phase, phase);
      assert.equal(failure.attempts, 1);
      assert.ok(failure.cause instanceof Error);
      assert.deepEqual(failure.completed, []);
      assert.deepEqual(failure.mayHaveRun, sent ? calls : []);
      assert.deepEqual(failure.notStarted, sent ? [] : calls);
      assert.deepEqual(bad.getCalls(), sent ? [] : calls);

      bad.behave();
      bad.clearCallQueue();
      bad.queueCall('echo', 'again');
      good[0]?.queueCall('echo', 'still');
      const results = await queue.execute([good[0]!, bad]);
      assert.deepEqual([...results.values()], [['still'], ['again']]);
    });
  }
}
