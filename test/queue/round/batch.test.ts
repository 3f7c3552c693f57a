/** What a batch makes of its ends: which of its calls may have run, and whether it may be tried again. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { LocalDrone } from '../../../src/queue/drone/local-drone.js';
import { takeWorkload, type Workload } from '../../../src/queue/drone/drone.js';
import { Batch, type Stop } from '../../../src/queue/round/batch.js';

/** A batch of one idempotent call that ran out of time and was ended, with further stops on the way. */
function endedBatch(...stops: readonly Stop[]): Batch {
  const drone = new LocalDrone();
  drone.with({ idempotent: true }).queueCall('run', 'true');
  const batch = new Batch(1, drone, takeWorkload(drone), () => undefined);
  batch.enter('call');
  batch.timeOut(0, 10);
  for (const stop of stops) batch.addStop(stop);
  batch.failAt(0, { kind: 'cancelled', error: new Error('ended'), killed: true });
  return batch;
}

test('an idempotent call that ran out of time may be tried again', () => {
  assert.equal(endedBatch().mayBeTriedAgain, true);
});

test('a batch whose onOutput threw while its call was being ended for its time is not tried again', () => {
  const batch = endedBatch({ kind: 'callback', reason: new Error('thrown'), call: undefined });
  assert.equal(batch.lastError?.kind, 'timeout');
  assert.equal(batch.mayBeTriedAgain, false);
  const [call] = batch.calls;
  assert.equal(endedBatch({ kind: 'callback', reason: new Error('thrown'), call }).mayBeTriedAgain, false);
});

test('a batch that is stopped with its round while its call was being ended for its time is not tried again', () => {
  assert.equal(endedBatch({ kind: 'cancelled', reason: new Error('enough') }).mayBeTriedAgain, false);
});

test('what was not sent when its thread died has not started; when the thread only does not react it may yet be sent', () => {
  const abandoned = (...held: [] | [true]): Batch => {
    const drone = new LocalDrone();
    drone.queueCall('run', 'true');
    const batch = new Batch(1, drone, takeWorkload(drone), () => undefined);
    batch.enter('auth');
    batch.abandon('lost', new Error('no reaction'), ...held);
    return batch;
  };
  const dead = abandoned().lastError;
  assert.deepEqual([dead?.notStarted.length, dead?.mayHaveRun.length], [1, 0]);
  const heldUp = abandoned(true).lastError;
  assert.deepEqual([heldUp?.notStarted.length, heldUp?.mayHaveRun.length], [0, 1]);
});

/** Kills in front of an idempotent call, and what goes back to their drone. */
function batchWithKills(): { batch: Batch; given: Workload[] } {
  const drone = new LocalDrone();
  drone.queueKillProcess({ hostname: 'localhost', pid: 12 });
  drone.with({ idempotent: true }).queueCall('run', 'true');
  const given: Workload[] = [];
  const batch = new Batch(1, drone, takeWorkload(drone), rest => given.push(rest));
  batch.enter('call');
  return { batch, given };
}

test('kills that may have run are neither sent again nor given back', () => {
  const { batch, given } = batchWithKills();
  const { calls } = batch;
  batch.abandon('lost', new Error('gone'));
  assert.deepEqual([batch.lastError?.call, batch.lastError?.mayHaveRun], [undefined, calls]);
  assert.equal(batch.mayBeTriedAgain, true);
  batch.tryAgain(2);
  assert.deepEqual(batch.unanswered, calls);
  batch.abandon('lost', new Error('gone'));
  batch.settle();
  assert.deepEqual(given, [{ kills: [], calls }]);
});

test('kills that were not sent are sent with the next try, and given back after the last', () => {
  const { batch, given } = batchWithKills();
  const [kill, call] = batch.unanswered;
  batch.enter('connect');
  batch.abandon('unreachable', new Error('no way'));
  batch.tryAgain(2);
  assert.deepEqual(batch.unanswered, [kill, call]);
  batch.abandon('unreachable', new Error('no way'));
  assert.deepEqual(batch.lastError?.notStarted, [call]);
  batch.settle();
  assert.deepEqual(given, [{ kills: [{ hostname: 'localhost', pid: 12 }], calls: [call] }]);
});

test('a call behind kills that ran out of time has not started', () => {
  const { batch, given } = batchWithKills();
  const { calls } = batch;
  batch.timeOut(0, 10);
  batch.failAt(0, { kind: 'cancelled', error: new Error('ended'), killed: true });
  const { kind, call, notStarted, mayHaveRun } = batch.lastError ?? {};
  assert.deepEqual([kind, call, notStarted, mayHaveRun], ['timeout', undefined, calls, []]);
  batch.settle();
  assert.deepEqual(given, [{ kills: [], calls }]);
});

test('kills that answer just after their time do not stop the batch', () => {
  const { batch } = batchWithKills();
  batch.timeOut(0, 10);
  batch.answer([]);
  assert.deepEqual([batch.stop, batch.values, batch.isAnswered], [undefined, [], false]);
  batch.answer('value');
  assert.deepEqual([batch.values, batch.isAnswered], [['value'], true]);
});

test('a call that was to end and of which nothing was heard is known not to be gone; another one that was lost says nothing', () => {
  const lost = { kind: 'lost', phase: 'call', error: new Error('no connection') } as const;
  const sent = (): Batch => {
    const drone = new LocalDrone();
    drone.queueCall('run', 'true');
    const batch = new Batch(1, drone, takeWorkload(drone), () => undefined);
    batch.enter('call');
    return batch;
  };
  const killedOf = (batch: Batch, end: (batch: Batch) => void): boolean | undefined => {
    end(batch);
    return batch.lastError?.killed;
  };
  const timedOut = sent();
  timedOut.timeOut(0, 10);
  assert.equal(
    killedOf(timedOut, batch => batch.failDown(lost, true)),
    false,
  );
  const stopped = sent();
  stopped.addStop({ kind: 'cancelled', reason: new Error('enough') });
  assert.equal(
    killedOf(stopped, batch => batch.abandon('lost', new Error('no reaction'))),
    false,
  );
  assert.equal(
    killedOf(sent(), batch => batch.failDown({ ...lost, killed: true }, true)),
    true,
  );
  assert.equal(
    killedOf(sent(), batch => batch.failDown(lost, true)),
    undefined,
  );
  const unsent = sent();
  unsent.timeOut(0, 10);
  assert.equal(
    killedOf(unsent, batch => batch.failDown(lost, false)),
    undefined,
  );
});
