import assert from 'node:assert/strict';
import test from 'node:test';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

test('a gate holds those who wait until it is opened', async () => {
  const held = new Gate();
  const through: string[] = [];
  const passers = ['first', 'second'].map(async name => {
    await held.wait();
    through.push(name);
  });
  await held.arrived(2);
  assert.deepEqual(through, []);
  assert.equal(held.isOpen, false);
  assert.equal(held.waiting, 2);
  held.open();
  await Promise.all(passers);
  assert.deepEqual(through, ['first', 'second']);
  assert.equal(held.isOpen, true);
  assert.equal(held.waiting, 0);
});

test('an open gate stays open and still counts who comes', async () => {
  const held = new Gate();
  held.open();
  held.open();
  await held.wait();
  await held.wait();
  await held.arrived(2);
  assert.equal(held.waiting, 0);
});

test('arrived resolves for each count as soon as so many have come', async () => {
  const held = new Gate();
  const seen: number[] = [];
  const watches = [2, 1, 3].map(async count => {
    await held.arrived(count);
    seen.push(count);
  });
  void held.wait();
  await watches[1];
  assert.deepEqual(seen, [1]);
  void held.wait();
  await watches[0];
  assert.deepEqual(seen, [1, 2]);
  void held.wait();
  await Promise.all(watches);
  assert.deepEqual(seen, [1, 2, 3]);
});

test('arrived refuses a count that cannot be reached', async () => {
  for (const count of [0, -1, 1.5, NaN, Infinity]) {
    await assert.rejects(new Gate().arrived(count), {
      code: 'ERR_INVALID_ARG',
      message: /^count is .*, expected an integer/,
    });
  }
});
