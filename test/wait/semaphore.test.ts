/** Who is let in, and in which order. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Semaphore } from '../../src/wait/semaphore.js';

const NEVER = new AbortController().signal;

/** Lets every promise that can be settled settle. */
async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

test('as many as the size of the semaphore are inside at once, and the others follow in order', async () => {
  const semaphore = new Semaphore(2);
  const entered: number[] = [];
  const leaves: (() => void)[] = [];
  for (let at = 0; at < 4; at++) {
    void semaphore.enter(NEVER).then(leave => {
      entered.push(at);
      leaves[at] = leave;
    });
  }
  await settle();
  assert.deepEqual([entered, semaphore.inside], [[0, 1], 2]);
  leaves[1]?.();
  await settle();
  assert.deepEqual([entered, semaphore.inside], [[0, 1, 2], 2]);
  leaves[1]?.();
  await settle();
  assert.deepEqual(entered, [0, 1, 2], 'a place is given back once');
  leaves[0]?.();
  leaves[2]?.();
  await settle();
  leaves[3]?.();
  assert.deepEqual([entered, semaphore.isEmpty], [[0, 1, 2, 3], true]);
});

test('who gives up waiting is skipped, and who has given up before never waits', async () => {
  const semaphore = new Semaphore(1);
  const leave = await semaphore.enter(NEVER);
  const stop = new AbortController();
  const waiting = semaphore.enter(stop.signal);
  const next = semaphore.enter(NEVER);
  stop.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
  await assert.rejects(semaphore.enter(stop.signal), /given up/);
  leave();
  (await next)();
  assert.equal(semaphore.isEmpty, true);
});

test('a semaphore made smaller admits none until enough have left, a larger one at once', async () => {
  const semaphore = new Semaphore(2);
  const first = await semaphore.enter(NEVER);
  const second = await semaphore.enter(NEVER);
  let isIn = false;
  const third = semaphore.enter(NEVER).then(leave => {
    isIn = true;
    return leave;
  });
  semaphore.resize(1);
  first();
  await settle();
  assert.equal(isIn, false);
  semaphore.resize(2);
  const leave = await third;
  leave();
  second();
  assert.equal(semaphore.isEmpty, true);
});

test('a semaphore runs work in turn, whatever becomes of the work before', async () => {
  const semaphore = new Semaphore(1);
  const done: string[] = [];
  const failing = semaphore.run(() => {
    done.push('first');
    throw new Error('failed');
  });
  const next = semaphore.run(async () => done.push('second'));
  assert.deepEqual(done, [], 'work never starts in the turn in which it is asked for');
  await assert.rejects(failing, /failed/);
  await next;
  assert.deepEqual([done, semaphore.isEmpty], [['first', 'second'], true]);
});

test('entering now passes those that wait, also when the semaphore is full', async () => {
  const semaphore = new Semaphore(1);
  const leave = await semaphore.enter();
  const waiting = semaphore.enter();
  const leaveNow = semaphore.enterNow();
  assert.equal(semaphore.inside, 2);
  leave();
  await settle();
  assert.equal(semaphore.inside, 1, 'the one that waits is not admitted yet');
  leaveNow();
  (await waiting)();
  assert.equal(semaphore.isEmpty, true);
});
