/** What is tried again within a round, what goes back to its drone's queue instead, and what never runs twice. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type DroneError, events, type RetryOptions } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

const AT_ONCE: RetryOptions = { attempts: 3, backoffMs: 0 };
const NEVER = new Promise<never>(() => undefined);
const ECHO = { echo: (value: unknown): unknown => value };

type Flaky = typeof ECHO & { flaky: () => unknown };

/** A drone on which `flaky` goes wrong so many times, in one way or another, before it answers. */
function flakyDrone(wrong: number, goWrong: (drone: FakeDrone) => unknown) {
  let runs = 0;
  const drone: FakeDrone<Flaky> = new FakeDrone<Flaky>('flaky', {
    ...ECHO,
    flaky() {
      runs++;
      return runs <= wrong ? goWrong(drone) : `run ${String(runs)}`;
    },
  });
  return { drone, runs: () => runs };
}

function leave(drone: FakeDrone): Promise<never> {
  drone.misbehave('refuse');
  drone.behave();
  return new Promise(() => undefined);
}

function fail(): never {
  throw new Error('not this time');
}

for (const make of queues) {
  test(`${make.name}: the calls of a drone with idempotent as its default are retried, unless a call says otherwise`, async () => {
    await using queue = make({ retry: AT_ONCE });
    let runs = 0;
    const methods = {
      flaky: () => {
        if (++runs === 1) fail();
        return runs;
      },
    };
    const drone = new FakeDrone('web1', methods, { defaults: { idempotent: true } });
    assert.equal(await queue.call(drone, 'flaky'), 2);
    runs = 0;
    assert.equal(await queue.call(drone.with({ timeoutMs: 60_000 }), 'flaky'), 2);
    runs = 0;
    const call = drone.queueCall('flaky');
    assert.equal(call.valueIn(await queue.execute([drone])), 2);
    runs = 0;
    await assert.rejects(queue.call(drone.with({ idempotent: false }), 'flaky'), { kind: 'call' });
    const late = new FakeDrone('web2', { wait: () => NEVER }, { defaults: { timeoutMs: 5 } });
    await assert.rejects(queue.call(late, 'wait'), { kind: 'timeout' });
  });

  test(`${make.name}: a drone that cannot be reached is tried again as often as asked, and told of each time`, async () => {
    using retries = new Witness(events.droneRetry);
    await using queue = make({ name: 'again', retry: { attempts: 3, backoffMs: 1, jitter: 0 } });
    const drone = new FakeDrone('web1', ECHO);
    const other = new FakeDrone('web2', ECHO);
    const call = drone.queueCall('echo', 1);
    other.queueCall('echo', 2);
    drone.misbehave('refuse');
    const round = await queue.settle([drone, other]);
    const failure = failureOf(round, drone);
    assert.equal(failure.kind, 'unreachable');
    assert.equal(failure.attempts, 3);
    assert.deepEqual(round.results.get(other), [2]);
    assert.deepEqual(drone.getCalls(), [call]);
    const told = retries.seen.map(({ queue: name, hostname, attempts, delayMs }) => [
      name,
      hostname,
      attempts,
      delayMs,
    ]);
    assert.deepEqual(told, [['again', 'web1', 1, 1], ['again', 'web1', 2, 2]]); // prettier-ignore
  });

  test(`${make.name}: a drone that comes back between two attempts has its results in the same round`, async () => {
    const drone = new FakeDrone('web1', ECHO);
    const when = (): boolean => {
      drone.behave();
      return true;
    };
    await using queue = make({ retry: { ...AT_ONCE, when } });
    drone.misbehave('refuse');
    drone.queueCall('echo', 'in the end');
    assert.deepEqual((await queue.execute([drone])).get(drone), ['in the end']);
    assert.deepEqual(drone.getCalls(), []);
  });

  test(`${make.name}: of a batch that was lost, an idempotent call runs again and values had before are kept`, async () => {
    await using queue = make({ retry: AT_ONCE });
    const { drone, runs } = flakyDrone(1, leave);
    drone.queueCall('echo', 'before');
    const flaky = drone.with({ idempotent: true }).queueCall('flaky');
    drone.with({ idempotent: true }).queueCall('echo', 'after');
    const results = await queue.execute([drone]);
    assert.deepEqual(results.get(drone), ['before', 'run 2', 'after']);
    assert.equal(flaky.valueIn(results), 'run 2');
    assert.equal(runs(), 2);
    assert.deepEqual(drone.batches.map(calls => calls.map(({ method }) => method)), [['echo', 'flaky', 'echo'], ['flaky', 'echo']]); // prettier-ignore
  });

  test(`${make.name}: without a retry option what was lost and is idempotent is sent once more, and only once`, async () => {
    await using queue = make();
    const once = flakyDrone(1, leave);
    once.drone.with({ idempotent: true }).queueCall('flaky');
    assert.deepEqual((await queue.execute([once.drone])).get(once.drone), ['run 2']);
    const twice = flakyDrone(2, leave);
    const call = twice.drone.with({ idempotent: true }).queueCall('flaky');
    const failure = failureOf(await queue.settle([twice.drone]), twice.drone);
    assert.deepEqual([failure.kind, failure.mayHaveRun, failure.notStarted], ['lost', [call], []]);
    assert.deepEqual(twice.drone.getCalls(), [call]);
    assert.equal(twice.runs(), 2);
  });

  test(`${make.name}: what may have run and is not idempotent is never sent again, and keeps its whole batch from it`, async () => {
    await using queue = make({ retry: AT_ONCE });
    const { drone, runs } = flakyDrone(1, leave);
    const flaky = drone.queueCall('flaky');
    const behind = drone.with({ idempotent: true }).queueCall('echo', 'behind');
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([failure.kind, failure.mayHaveRun], ['lost', [flaky, behind]]);
    assert.equal(runs(), 1);
    assert.deepEqual(drone.getCalls(), [behind]);
  });

  test(`${make.name}: a call that threw is called again only where it is idempotent, and never goes back to the queue`, async () => {
    await using queue = make({ retry: AT_ONCE });
    const { drone, runs } = flakyDrone(2, fail);
    drone.with({ idempotent: true }).queueCall('flaky');
    assert.deepEqual((await queue.execute([drone])).get(drone), ['run 3']);
    const strict = flakyDrone(9, fail);
    strict.drone.queueCall('flaky');
    const behind = strict.drone.queueCall('echo', 'behind');
    assert.equal(failureOf(await queue.settle([strict.drone]), strict.drone).kind, 'call');
    assert.deepEqual([strict.runs(), strict.drone.getCalls()], [1, [behind]]);
    const hopeless = flakyDrone(9, fail);
    hopeless.drone.with({ idempotent: true }).queueCall('flaky');
    assert.equal(failureOf(await queue.settle([hopeless.drone]), hopeless.drone).kind, 'call');
    assert.deepEqual([hopeless.runs(), hopeless.drone.getCalls()], [3, []]);
    assert.equal(runs(), 3);
  });

  test(`${make.name}: an idempotent call past its time is called again, but does not go back: it would block its queue for good`, async () => {
    await using queue = make({ retry: AT_ONCE, callTimeoutMs: 30 });
    const { drone } = flakyDrone(1, () => new Promise(() => undefined));
    drone.with({ idempotent: true, timeoutMs: 30 }).queueCall('flaky');
    assert.deepEqual((await queue.execute([drone])).get(drone), ['run 2']);
    const slow = flakyDrone(9, () => new Promise(() => undefined));
    const call = slow.drone.with({ idempotent: true, timeoutMs: 30 }).queueCall('flaky');
    const failure = failureOf(await queue.settle([slow.drone]), slow.drone);
    assert.deepEqual([failure.kind, failure.call, failure.mayHaveRun], ['timeout', call, []]);
    assert.deepEqual(slow.drone.getCalls(), []);
    assert.equal(slow.runs(), 3);
  });

  test(`${make.name}: logins and host keys that were refused are never tried again`, async () => {
    const asked: DroneError[] = [];
    const when = (error: DroneError): boolean => asked.push(error) > 0;
    await using queue = make({ retry: { ...AT_ONCE, when } });
    for (const fault of ['refuse-login', 'refuse-host-key', 'garbage'] as const) {
      const drone = new FakeDrone(fault, ECHO);
      drone.misbehave(fault);
      drone.with({ idempotent: true }).queueCall('echo', 1);
      assert.equal(failureOf(await queue.settle([drone]), drone).attempts, 1);
    }
    assert.deepEqual(asked, []);
  });

  test(`${make.name}: a retry.when that says no, or throws, leaves the failure as it is`, async () => {
    const lines: string[] = [];
    const ignore = (): void => undefined;
    const log = { debug: ignore, info: ignore, warn: ignore, error: (line: string) => lines.push(line) };
    for (const when of [() => false, fail]) {
      await using queue = make({ log, retry: { ...AT_ONCE, when } });
      const drone = new FakeDrone('web1', ECHO);
      drone.misbehave('refuse');
      drone.queueCall('echo', 1);
      assert.equal(failureOf(await queue.settle([drone]), drone).attempts, 1);
    }
    assert.equal(lines.filter(line => line.includes('retry.when threw')).length, 1);
  });

  test(`${make.name}: kills that were not sent ride with the next attempt, those that were do not`, async () => {
    await using queue = make({ retry: AT_ONCE });
    const drone = new FakeDrone('web1', ECHO);
    drone.misbehave('refuse');
    drone.queueKillProcess({ hostname: 'web1', pid: 12 });
    drone.with({ idempotent: true }).queueCall('echo', 1);
    using retries = new Witness(events.droneRetry);
    const round = queue.execute([drone]);
    await retries.first();
    drone.behave();
    assert.deepEqual((await round).get(drone), [1]);
    assert.deepEqual(drone.kills.map(({ pid }) => pid), [12]); // prettier-ignore
    const { drone: leaving } = flakyDrone(1, leave);
    leaving.queueKillProcess({ hostname: 'flaky', pid: 13 });
    leaving.with({ idempotent: true }).queueCall('flaky');
    assert.deepEqual((await queue.execute([leaving])).get(leaving), ['run 2']);
    assert.deepEqual(leaving.kills.map(({ pid }) => pid), [13]); // prettier-ignore
  });

  test(`${make.name}: a round that is cancelled or past its deadline does not wait for the next attempt`, async () => {
    // Enough, on any machine, for a call over a warm connection to fail.
    await using queue = make({ retry: { attempts: 2, backoffMs: 600_000 }, roundDeadlineMs: 5000 });
    for (const [kind, cancel] of [
      ['cancelled', true],
      ['timeout', false],
    ] as const) {
      // prettier-ignore
      const stop = new AbortController();
      using retries = new Witness(events.droneRetry);
      const { drone } = flakyDrone(1, leave);
      await queue.call(drone, 'echo', 'warm');
      const call = drone.with({ idempotent: true }).queueCall('flaky');
      const round = queue.settle([drone], { signal: stop.signal });
      await retries.first();
      if (cancel) stop.abort(new Error('enough'));
      const failure = failureOf(await round, drone);
      if (!cancel) assert.equal((failure.cause as { cause?: DroneError }).cause?.kind, 'lost');
      // It ran before, and it is unknown how far.
      assert.deepEqual([failure.kind, failure.mayHaveRun, failure.notStarted], [kind, [call], []]);
      assert.deepEqual(drone.getCalls(), [call]);
    }
  });

  test(`${make.name}: a call that is cancelled while it waits to be tried again keeps the failure that it had`, async () => {
    await using queue = make({ retry: { attempts: 2, backoffMs: 600_000 } });
    const stop = new AbortController();
    using retries = new Witness(events.droneRetry);
    const { drone, runs } = flakyDrone(1, leave);
    const call = drone.with({ idempotent: true, signal: stop.signal }).queueCall('flaky');
    const round = queue.settle([drone]);
    await retries.first();
    stop.abort(new Error('enough'));
    const failure = failureOf(await round, drone);
    assert.deepEqual([failure.kind, failure.mayHaveRun, runs()], ['lost', [call], 1]);
  });

  test(`${make.name}: what a call has put out before it answered is all delivered when a later one is tried again`, async () => {
    await using queue = make({ retry: AT_ONCE });
    const gate = new Gate();
    const heard: string[] = [];
    let leaves = 0;
    interface Speaker {
      speak(): Promise<string>;
      flaky(): unknown;
    }
    const drone: FakeDrone<Speaker> = new FakeDrone<Speaker>('web1', {
      async speak() {
        void drone.print('stdout', 'one');
        void drone.print('stdout', 'two');
        await gate.arrived();
        return 'spoken';
      },
      flaky: () => (leaves++ === 0 ? leave(drone) : 'done'),
    });
    const onOutput = async (_stream: string, chunk: Uint8Array): Promise<void> => {
      await gate.wait();
      heard.push(Buffer.from(chunk).toString());
    };
    drone.with({ onOutput }).queueCall('speak');
    drone.with({ idempotent: true }).queueCall('flaky');
    using retries = new Witness(events.droneRetry);
    const round = queue.execute([drone]);
    await retries.first();
    gate.open();
    assert.deepEqual((await round).get(drone), ['spoken', 'done']);
    assert.equal(heard.join(''), 'onetwo');
  });

  test(`${make.name}: who executes the failed drones again runs what is safe, and ever fewer drones`, async () => {
    await using queue = make({ retry: { attempts: 1 } });
    const drones = ['web1', 'web2', 'web3', 'web4'].map(name => new FakeDrone(name, ECHO));
    for (const drone of drones) drone.queueCall('echo', drone.hostname);
    for (const drone of drones.slice(1)) drone.misbehave('refuse');
    let failed = (await exceptionOf(queue.execute(drones))).failures;
    assert.deepEqual([...failed.keys()], drones.slice(1));
    for (const drone of drones.slice(2)) drone.behave();
    failed = (await exceptionOf(queue.execute(failed.keys()))).failures;
    assert.deepEqual([...failed.keys()], [drones[1]]);
    drones[1]?.behave();
    const results = await queue.execute(failed.keys());
    assert.deepEqual([...results], [[drones[1], ['web2']]]);
    assert.deepEqual(drones.map(({ batches }) => batches.length), [1, 1, 1, 1]); // prettier-ignore
  });

  test(`${make.name}: retry options out of range are refused by name`, () => {
    const bad: [RetryOptions, RegExp][] = [
      [{ attempts: 0 }, /attempts.*0/],
      [{ backoffMs: -1 }, /backoffMs.*-1/],
      [{ jitter: 2 }, /jitter.*2/],
      [{ when: 'always' as never }, /when.*always/],
      [{ tries: 3 } as never, /tries/],
      ['yes' as never, /typeof retry is 'string', expected 'object'/],
    ];
    for (const [retry, message] of bad) assert.throws(() => make({ retry }), { code: 'ERR_INVALID_ARG', message });
  });
}
