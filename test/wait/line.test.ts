/** Who is let in, and in which order. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Line } from '../../src/wait/line.js';

const NEVER = new AbortController().signal;

/** Lets every promise that can be settled settle. */
async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

test('as many as the size of the line are inside at once, and the others follow in order', async () => {
  const line = new Line(2);
  const entered: number[] = [];
  const leaves: (() => void)[] = [];
  for (let at = 0; at < 4; at++) {
    void line.enter(NEVER).then(leave => {
      entered.push(at);
      leaves[at] = leave;
    });
  }
  await settle();
  assert.deepEqual([entered, line.inside], [[0, 1], 2]);
  leaves[1]?.();
  await settle();
  assert.deepEqual([entered, line.inside], [[0, 1, 2], 2]);
  leaves[1]?.();
  await settle();
  assert.deepEqual(entered, [0, 1, 2], 'a place is given back once');
  leaves[0]?.();
  leaves[2]?.();
  await settle();
  leaves[3]?.();
  assert.deepEqual([entered, line.isEmpty], [[0, 1, 2, 3], true]);
});

test('who gives up waiting is skipped, and who has given up before never waits', async () => {
  const line = new Line(1);
  const leave = await line.enter(NEVER);
  const stop = new AbortController();
  const waiting = line.enter(stop.signal);
  const next = line.enter(NEVER);
  stop.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
  await assert.rejects(line.enter(stop.signal), /given up/);
  leave();
  (await next)();
  assert.equal(line.isEmpty, true);
});

test('a line made smaller admits nobody until enough have left, a larger one at once', async () => {
  const line = new Line(2);
  const first = await line.enter(NEVER);
  const second = await line.enter(NEVER);
  let isIn = false;
  const third = line.enter(NEVER).then(leave => {
    isIn = true;
    return leave;
  });
  line.resize(1);
  first();
  await settle();
  assert.equal(isIn, false);
  line.resize(2);
  const leave = await third;
  leave();
  second();
  assert.equal(line.isEmpty, true);
});

test('a line runs work in turn, whatever becomes of the work before', async () => {
  const line = new Line(1);
  const done: string[] = [];
  const failing = line.run(() => {
    done.push('first');
    throw new Error('failed');
  });
  const next = line.run(async () => done.push('second'));
  assert.deepEqual(done, [], 'work never starts in the turn in which it is asked for');
  await assert.rejects(failing, /failed/);
  await next;
  assert.deepEqual([done, line.isEmpty], [['first', 'second'], true]);
});

test('entering now passes those that wait, also when the line is full', async () => {
  const line = new Line(1);
  const leave = await line.enter();
  const waiting = line.enter();
  const leaveNow = line.enterNow();
  assert.equal(line.inside, 2);
  leave();
  await settle();
  assert.equal(line.inside, 1, 'the one that waits is not admitted yet');
  leaveNow();
  (await waiting)();
  assert.equal(line.isEmpty, true);
});
