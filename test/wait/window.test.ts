/** Who is let in, and in which order. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Window } from '../../src/wait/window.js';

const NEVER = new AbortController().signal;

/** Lets every promise that can be settled settle. */
async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

test('as many as the window holds are inside at once, and the others follow in their order', async () => {
  const window = new Window(2);
  const entered: number[] = [];
  const leaves: (() => void)[] = [];
  for (let at = 0; at < 4; at++) {
    void window.enter(NEVER).then(leave => {
      entered.push(at);
      leaves[at] = leave;
    });
  }
  await settle();
  assert.deepEqual([entered, window.inside], [[0, 1], 2]);
  leaves[1]?.();
  await settle();
  assert.deepEqual([entered, window.inside], [[0, 1, 2], 2]);
  leaves[1]?.();
  await settle();
  assert.deepEqual(entered, [0, 1, 2], 'a place is given back once');
  leaves[0]?.();
  leaves[2]?.();
  await settle();
  leaves[3]?.();
  assert.deepEqual([entered, window.isEmpty], [[0, 1, 2, 3], true]);
});

test('who gives up waiting is skipped, and who has given up before never waits', async () => {
  const window = new Window(1);
  const leave = await window.enter(NEVER);
  const stop = new AbortController();
  const waiting = window.enter(stop.signal);
  const next = window.enter(NEVER);
  stop.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
  await assert.rejects(window.enter(stop.signal), /given up/);
  leave();
  (await next)();
  assert.equal(window.isEmpty, true);
});

test('a smaller window lets nobody in until enough have left, a larger one at once', async () => {
  const window = new Window(2);
  const first = await window.enter(NEVER);
  const second = await window.enter(NEVER);
  let isIn = false;
  const third = window.enter(NEVER).then(leave => {
    isIn = true;
    return leave;
  });
  window.resize(1);
  first();
  await settle();
  assert.equal(isIn, false);
  window.resize(2);
  const leave = await third;
  leave();
  second();
  assert.equal(window.isEmpty, true);
});
