/** Drones that keep failing: kicked out after so many rounds, probed, readmitted. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type DroneError, events, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone, type FakeFault, startSshServer } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues, type Queue } from './queues.js';
import { failureOf, refusalOf, rejectionOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

type Echo = FakeDrone<{ echo(text: string): string; fail(): never }>;

function echo(hostname: string): Echo {
  return new FakeDrone(hostname, {
    echo: (text: string) => text,
    fail: () => {
      throw new Error('on purpose');
    },
  });
}

/** No drone is probed while the test runs. */
const UNPROBED = { probeEveryMs: Infinity };
const SOON = { probeEveryMs: 20 };

function misbehaving(fault: FakeFault): Echo {
  const drone = echo(`${fault}-drone`);
  drone.misbehave(fault);
  return drone;
}

/** A round of the drone alone, with a call beside those queued already, which go with it. */
async function failRound(queue: Queue, drone: Echo): Promise<DroneError> {
  drone.queueCall('echo', 'hello');
  const failure = failureOf(await queue.settle([drone]), drone);
  drone.clearCallQueue();
  return failure;
}

async function succeed(queue: Queue, drone: Echo): Promise<void> {
  const call = drone.queueCall('echo', 'hello');
  assert.equal(call.valueIn(await queue.execute([drone])), 'hello');
}

/** After so many failures the drone is out: the next round is the one that tells. */
async function failuresUntilOut(queue: Queue, drone: Echo): Promise<number> {
  for (let failures = 0; ; failures++) {
    if (queue.kickedOut.has(drone)) return failures;
    await failRound(queue, drone);
  }
}

const PATIENCE_MS = 60_000;

/** An idle queue does not keep the process, so that something else has to. */
async function until(isSo: () => boolean): Promise<void> {
  for (const endMs = performance.now() + PATIENCE_MS; !isSo(); await delay(5)) {
    assert(performance.now() < endMs, `waited in vain for ${String(isSo)}`);
  }
}

for (const make of queues) {
  test(`${make.name}: a drone is kicked out after three rounds in a row, and costs the next one nothing`, async () => {
    using out = new Witness(events.droneKickedOut);
    using started = new Witness(events.workerStart);
    await using queue = make({ kickOut: UNPROBED });
    const drone = misbehaving('refuse');
    assert.equal(await failuresUntilOut(queue, drone), 3);
    const entry = queue.kickedOut.get(drone);
    assert.equal(entry?.cause.kind, 'unreachable');
    assert(entry.since <= new Date());
    assert(entry.probeAt > entry.since);
    const [{ failures, error, hostname } = assert.fail('no event')] = out.seen;
    assert.deepEqual([failures, error, hostname], [3, entry.cause, drone.hostname]);

    drone.behave();
    const calls = [drone.queueCall('echo', 'a'), drone.queueCall('echo', 'b')];
    drone.queueKillProcess({ hostname: drone.hostname, pid: 4711 });
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual(
      [failure.kind, failure.phase, failure.attempts, failure.cause],
      ['kicked-out', 'waiting', 0, entry.cause],
    );
    assert.deepEqual([failure.notStarted, failure.mayHaveRun, failure.completed], [calls, [], []]);
    assert.equal(started.seen.length, 3);
    assert.equal(drone.batches.length, 0);

    assert.deepEqual(drone.getCalls(), calls);
    assert.equal(await queue.call(drone, 'echo', 'by hand'), 'by hand');
    assert.deepEqual((await queue.execute([drone])).get(drone), ['a', 'b']);
    assert.deepEqual(drone.kills, [{ hostname: drone.hostname, pid: 4711 }]);
  });

  test(`${make.name}: a drone that is out is an error in the log once, and then on level debug`, async () => {
    const lines: string[] = [];
    const at = (level: string) => (line: string) => {
      if (/out-drone.* raised|is kicked out/.test(line)) lines.push(`${level} ${line}`);
    };
    const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
    await using queue = make({ name: 'farm', kickOut: { afterFailures: 1, ...UNPROBED }, log });
    const drone = echo('out-drone');
    drone.misbehave('refuse');
    for (let rounds = 0; rounds < 3; rounds++) await failRound(queue, drone);
    const levels = lines.map(
      line => /^\w+ farm: (?:drone|worker) (?:farm\.)?out-drone (?:is kicked out|raised)/.exec(line)?.[0],
    );
    assert.deepEqual(levels, [
      'error farm: drone out-drone is kicked out',
      'debug farm: worker farm.out-drone raised',
      'debug farm: worker farm.out-drone raised',
      'debug farm: worker farm.out-drone raised',
    ]);
  });

  test(`${make.name}: without the option no drone is kicked out`, async () => {
    await using queue = make();
    const drone = misbehaving('refuse');
    for (let round = 0; round < 4; round++) assert.equal((await failRound(queue, drone)).kind, 'unreachable');
    assert.equal(queue.kickedOut.size, 0);
  });

  test(`${make.name}: no connection reaches the server of a drone that is out`, async () => {
    await using server = await startSshServer();
    await using queue = make({ kickOut: { afterFailures: 2, ...UNPROBED } });
    const { identity: _, ...options } = server.droneOptions();
    const drone = new SshDrone('web1', { ...options, agentSocket: false, password: 'wrong' });
    const call = drone.queueCall('run', 'true');
    for (const kind of ['auth', 'auth', 'kicked-out', 'kicked-out']) {
      assert.equal(failureOf(await queue.settle([drone]), drone).kind, kind);
    }
    assert.equal(server.connects, 2);
    assert.deepEqual(drone.getCalls(), [call]);
  });

  for (const [fault, kind] of [
    ['refuse-login', 'auth'],
    ['refuse-host-key', 'host-key'],
    ['refuse-agent', 'bootstrap'],
    ['die', 'lost'],
    ['garbage', 'protocol'],
    ['nonsense', 'protocol'],
  ] as const) {
    test(`${make.name}: rounds that end with ${kind} by ${fault} count`, async () => {
      await using queue = make({ kickOut: { afterFailures: 2, ...UNPROBED } });
      const drone = misbehaving(fault);
      assert.equal(await failuresUntilOut(queue, drone), 2);
      assert.equal(queue.kickedOut.get(drone)?.cause.kind, kind);
    });
  }

  test(`${make.name}: a call that times out counts when the agent does not say how it ended`, async () => {
    await using queue = make({ kickOut: { afterFailures: 1, ...UNPROBED }, callTimeoutMs: 50, killGraceMs: 1 });
    const hanging = misbehaving('hang');
    assert.equal((await failRound(queue, hanging)).kind, 'timeout');
    assert.equal(queue.kickedOut.size, 0);
    const frozen = misbehaving('freeze');
    assert.equal((await failRound(queue, frozen)).kind, 'timeout');
    assert.deepEqual([...queue.kickedOut.keys()], [frozen]);
  });

  test(`${make.name}: failures that show that the drone answers begin the count anew`, async () => {
    await using queue = make({ kickOut: { afterFailures: 2, ...UNPROBED } });
    const drone = misbehaving('refuse');
    await failRound(queue, drone);
    drone.behave();
    drone.queueCall('fail');
    assert.equal(failureOf(await queue.settle([drone]), drone).kind, 'call');
    drone.misbehave('refuse');
    assert.equal(await failuresUntilOut(queue, drone), 2);
  });

  test(`${make.name}: a cancelled round neither counts nor begins the count anew`, async () => {
    await using queue = make({ kickOut: { afterFailures: 2, ...UNPROBED } });
    const drone = misbehaving('refuse');
    await failRound(queue, drone);
    drone.queueCall('echo', 'never');
    const round = await queue.settle([drone], { signal: AbortSignal.abort() });
    assert.equal(failureOf(round, drone).kind, 'cancelled');
    drone.clearCallQueue();
    assert.equal(await failuresUntilOut(queue, drone), 1);
  });

  test(`${make.name}: a refusal of execute changes nothing about who is out`, async () => {
    await using queue = make({ kickOut: { afterFailures: 1, ...UNPROBED } });
    const drone = misbehaving('refuse');
    await failRound(queue, drone);
    const before = queue.kickedOut.get(drone);
    const call = drone.queueCall('echo', 'hello');
    await refusalOf(queue.execute([drone, drone]), 'ERR_DRONE_TWICE');
    assert.equal(queue.kickedOut.get(drone), before);
    assert.deepEqual(drone.getCalls(), [call]);
  });

  test(`${make.name}: a probe readmits a drone that answers again, between rounds and without a call`, async () => {
    using back = new Witness(events.droneReadmitted);
    await using queue = make({ kickOut: SOON });
    const drone = misbehaving('refuse');
    await failuresUntilOut(queue, drone);
    const since = queue.kickedOut.get(drone)?.since;
    const call = drone.queueCall('echo', 'kept');
    drone.behave();
    const told = await back.first();
    assert.deepEqual([told.hostname, told.since, told.queue], [drone.hostname, since, queue.name]);
    assert.equal(queue.kickedOut.size, 0);
    assert.deepEqual(drone.batches, []);
    assert.equal(call.valueIn(await queue.execute([drone])), 'kept');
    assert.equal(drone.connections, 1);
  });

  test(`${make.name}: a probe that fails moves the next one on and brings the newest cause`, async () => {
    await using queue = make({ kickOut: { afterFailures: 1, ...SOON } });
    const drone = misbehaving('refuse');
    await failRound(queue, drone);
    const first = queue.kickedOut.get(drone);
    drone.misbehave('refuse-login');
    await until(() => queue.kickedOut.get(drone)?.cause.kind === 'auth');
    const second = queue.kickedOut.get(drone);
    assert(first && second);
    assert.equal(second.since, first.since);
    assert(second.probeAt > first.probeAt);
    assert.deepEqual([second.cause.phase, second.cause.hostname], ['connect', drone.hostname]);
    drone.queueCall('echo', 'never');
    const { cause } = failureOf(await queue.settle([drone]), drone);
    assert.equal((cause as DroneError).kind, 'auth');
  });

  test(`${make.name}: a readmitted drone is out again after one failure, until a round succeeds`, async () => {
    using back = new Witness(events.droneReadmitted);
    await using queue = make({ kickOut: SOON });
    const drone = misbehaving('refuse');
    await failuresUntilOut(queue, drone);
    drone.behave();
    await back.first();
    drone.misbehave('refuse');
    await failRound(queue, drone);
    assert(queue.kickedOut.has(drone));
    drone.behave();
    await back.first(() => back.seen.length === 2);
    await succeed(queue, drone);
    drone.misbehave('refuse');
    assert.equal(await failuresUntilOut(queue, drone), 3);
  });

  test(`${make.name}: a call to a drone that is out goes through, and readmits it when it is answered`, async () => {
    using back = new Witness(events.droneReadmitted);
    await using queue = make({ kickOut: { afterFailures: 1, ...UNPROBED } });
    const drone = misbehaving('refuse');
    await failRound(queue, drone);
    drone.misbehave('refuse-agent');
    const failure = await rejectionOf(queue.call(drone, 'echo', 'too early'));
    assert.equal(queue.kickedOut.get(drone)?.cause, failure);
    drone.behave();
    await rejectionOf(queue.call(drone, 'fail'));
    assert.equal(queue.kickedOut.size, 0);
    assert.equal(back.seen.length, 1);
    await succeed(queue, drone);
  });

  test(`${make.name}: calls beside rounds do not count`, async () => {
    await using queue = make({ kickOut: { afterFailures: 1, ...UNPROBED } });
    const drone = misbehaving('refuse');
    await rejectionOf(queue.call(drone, 'echo', 'hello'));
    assert.equal(queue.kickedOut.size, 0);
  });

  test(`${make.name}: a queue that is closed while a probe hangs ends, and probes no more`, async () => {
    const queue = make({ kickOut: { afterFailures: 1, ...SOON }, connectTimeoutMs: 100 });
    const drone = misbehaving('refuse');
    await failRound(queue, drone);
    drone.misbehave('freeze');
    // The agent is there and answers no ping.
    await until(() => drone.connections > 0);
    await queue.close();
    assert(queue.kickedOut.has(drone));
    assert.equal(drone.connections, 0);
  });

  test(`${make.name}: metrics tell who is out`, async () => {
    const sent: string[] = [];
    const note = (name: string, value = 1): void => {
      if (/kick|readm/.test(name)) sent.push(`${name.replace(/^.*\./, '')} ${String(value)}`);
    };
    const stats = { timing: () => undefined, increment: note, gauge: note };
    await using queue = make({ kickOut: { afterFailures: 1, ...UNPROBED }, stats });
    const drone = misbehaving('refuse');
    await failRound(queue, drone);
    drone.behave();
    await queue.call(drone, 'echo', 'hello');
    assert.deepEqual(sent, ['kick_outs 1', 'kicked_out 1', 'readmissions 1', 'kicked_out 0']);
  });

  const refusals: readonly [options: unknown, message: RegExp][] = [
    [true, /kickOut/],
    [null, /kickOut/],
    [{ afterFailures: 0 }, /afterFailures is 0, expected an integer of 1 or more/],
    [{ afterFailures: 1.5 }, /afterFailures is 1.5/],
    [{ afterFailures: Infinity }, /afterFailures is Infinity/],
    [{ probeEveryMs: 0 }, /probeEveryMs is 0, expected a number of milliseconds above 0/],
    [{ probeEveryMs: '1s' }, /probeEveryMs is '1s'/],
    [{ probeMs: 1 }, /probeMs/],
  ];
  for (const [kickOut, message] of refusals) {
    test(`${make.name}: kickOut ${JSON.stringify(kickOut)} is refused, as in ${String(message)}`, () => {
      assert.throws(() => make({ kickOut } as Parameters<typeof make>[0]), { code: 'ERR_INVALID_ARG', message });
    });
  }
}

test('a drone whose thread dies of it is not kicked out', async () => {
  await using queue = new ThreadedTaskQueue({ threads: 1, kickOut: { afterFailures: 1, ...UNPROBED } });
  const drone = misbehaving('thread-exit');
  assert.equal((await failRound(queue, drone)).kind, 'worker-lost');
  assert.equal(queue.kickedOut.size, 0);
});

test('a probe outlives the death of its thread', async () => {
  using lost = new Witness(events.threadLost);
  using back = new Witness(events.droneReadmitted);
  await using queue = new ThreadedTaskQueue({ threads: 1, kickOut: { afterFailures: 1, ...SOON } });
  const out = misbehaving('refuse');
  await failRound(queue, out);
  out.misbehave('freeze');
  await until(() => out.connections > 0);
  const killer = misbehaving('thread-exit');
  await failRound(queue, killer);
  await lost.first();
  assert.equal(queue.kickedOut.get(out)?.cause.kind, 'unreachable');
  out.behave();
  await back.first();
});
