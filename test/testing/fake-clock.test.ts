import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeClock } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

test('a fake clock stands still until it is moved', async () => {
  const clock = new FakeClock(500);
  assert.equal(clock.nowMs(), 500);
  await clock.advance(0);
  assert.equal(clock.nowMs(), 500);
  await clock.advance(1.5);
  assert.equal(clock.nowMs(), 501.5);
});

test('timers fire in the order they fall due, equal ones in the order they were set, each at its own time', async () => {
  const clock = new FakeClock();
  const fired: string[] = [];
  for (const [name, delayMs] of Object.entries({ c: 30, a: 10, b: 10, late: 31, never: Infinity })) {
    clock.setTimer(delayMs, () => fired.push(`${name} at ${String(clock.nowMs())}`));
  }
  await clock.advance(30);
  assert.deepEqual(fired, ['a at 10', 'b at 10', 'c at 30']);
  assert.equal(clock.timers, 2);
  await clock.advance(1e9);
  assert.deepEqual(fired.slice(3), ['late at 31']);
});

test('promise jobs settle between timers, and timers that they set on the way fire too', async () => {
  const clock = new FakeClock();
  const seen: string[] = [];
  const sleep = (delayMs: number): Promise<void> =>
    new Promise(resolve => {
      clock.setTimer(delayMs, resolve);
    });
  const work = async (): Promise<void> => {
    await Promise.resolve();
    for (let step = 1; step <= 3; step += 1) {
      await sleep(10);
      seen.push(`step ${String(step)} at ${String(clock.nowMs())}`);
    }
  };
  clock.setTimer(25, () => seen.push('timer at 25'));
  const done = work();
  await clock.advance(40);
  await done;
  assert.deepEqual(seen, ['step 1 at 10', 'step 2 at 20', 'timer at 25', 'step 3 at 30']);
});

test('a cancelled timer does not fire, and what is not above 0 is due now', async () => {
  const clock = new FakeClock();
  const fired: string[] = [];
  const cancelled = clock.setTimer(5, () => fired.push('cancelled'));
  clock.setTimer(-1, () => fired.push('negative'));
  clock.setTimer(0, () => fired.push('zero'));
  clock.setTimer(NaN, () => fired.push('not a number'));
  cancelled.unref();
  cancelled.ref();
  cancelled.cancel();
  assert.deepEqual(fired, []);
  await clock.advance(0);
  assert.deepEqual(fired, ['negative', 'zero', 'not a number']);
  await clock.advance(10);
  cancelled.cancel();
  assert.equal(fired.length, 3);
});

test('advance rejects with what a timer throws, and can go on from there', async () => {
  const clock = new FakeClock();
  const error = new Error('thrown by a timer');
  let later = false;
  clock.setTimer(10, () => {
    throw error;
  });
  clock.setTimer(20, () => {
    later = true;
  });
  await assert.rejects(clock.advance(100), error);
  assert.equal(clock.nowMs(), 10);
  assert.equal(later, false);
  await clock.advance(10);
  assert.equal(later, true);
});

test('two moves of a fake clock at once are refused', async () => {
  const clock = new FakeClock();
  const first = clock.advance(10);
  await assert.rejects(clock.advance(10), /already being advanced/);
  await first;
  await clock.advance(10);
  assert.equal(clock.nowMs(), 20);
});

test('a fake clock refuses to go back or to the end of time', async () => {
  for (const ms of [-1, NaN, Infinity]) {
    await assert.rejects(new FakeClock().advance(ms), { code: 'ERR_INVALID_ARG', message: /^ms is / });
  }
  assert.throws(() => new FakeClock(NaN), { code: 'ERR_INVALID_ARG', message: /^startMs is NaN/ });
});
