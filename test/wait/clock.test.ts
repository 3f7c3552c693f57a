import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '../../src/wait/clock.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

/** Longest delay that setTimeout takes. */
const PIECE_MS = 2 ** 31 - 1;

test('the system clock never goes back, and its timers fire in the order they fall due', async () => {
  const seenMs = [systemClock.nowMs()];
  const order: string[] = [];
  await new Promise<void>(resolve => {
    systemClock.setTimer(20, () => {
      order.push('late');
      resolve();
    });
    systemClock.setTimer(1, () => {
      order.push('early');
      seenMs.push(systemClock.nowMs());
    });
  });
  seenMs.push(systemClock.nowMs());
  assert.deepEqual(order, ['early', 'late']);
  assert.deepEqual(
    seenMs,
    [...seenMs].sort((a, b) => a - b),
  );
});

test('a delay of 0 or less still waits for a later turn of the event loop', async () => {
  const order: string[] = [];
  await new Promise<void>(resolve => {
    systemClock.setTimer(-5, () => {
      order.push('timer');
      resolve();
    });
    order.push('after setting it');
  });
  assert.deepEqual(order, ['after setting it', 'timer']);
});

test('a cancelled system timer does not fire', async () => {
  let fired = false;
  const timer = systemClock.setTimer(1, () => {
    fired = true;
  });
  timer.cancel();
  await new Promise<void>(resolve => {
    systemClock.setTimer(5, resolve);
  });
  assert.equal(fired, false);
  timer.cancel();
});

test('a delay longer than setTimeout takes is waited for in full', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let fired = 0;
  systemClock.setTimer(2 * PIECE_MS + 500, () => {
    fired += 1;
  });
  for (const ms of [PIECE_MS, PIECE_MS, 499]) t.mock.timers.tick(ms);
  assert.equal(fired, 0);
  t.mock.timers.tick(1);
  assert.equal(fired, 1);
});

test('a long timer that was cut in pieces can be cancelled in any of them', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const timer = systemClock.setTimer(2 * PIECE_MS, () => {
    assert.fail('it was cancelled');
  });
  t.mock.timers.tick(PIECE_MS);
  timer.cancel();
  t.mock.timers.tick(2 * PIECE_MS);
});

test('a timer of Infinity never fires and holds nothing', () => {
  const timer = systemClock.setTimer(Infinity, () => {
    assert.fail('it must not fire');
  });
  timer.ref();
  timer.unref();
  timer.cancel();
});
