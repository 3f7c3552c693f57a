import assert from 'node:assert/strict';
import test from 'node:test';
import { PendingWork } from '../../src/wait/pending-work.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

test('all work is over when each piece has ended, well or not', async () => {
  const work = new PendingWork();
  await work.over();
  let finish: () => void = () => undefined;
  const slow = new Promise<string>(resolve => {
    finish = () => {
      resolve('done');
    };
  });
  assert.equal(work.add(slow), slow);
  const failing = work.add(Promise.reject(new Error('no')));
  let isOver = false;
  const over = work.over().then(() => {
    isOver = true;
  });
  await assert.rejects(failing, { message: 'no' });
  await new Promise(setImmediate);
  assert.equal(isOver, false);
  finish();
  await over;
  await work.over();
});
