/** How many connections one server gets at once, and how that changes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Pace } from '../../src/ssh/pace.js';

/** How many are let in at once right now, of twenty that ask. */
async function admitted(pace: Pace): Promise<number> {
  const leaves: (() => void)[] = [];
  const stops = Array.from({ length: 20 }, () => new AbortController());
  const asked = stops.map(stop =>
    pace.enter(stop.signal).then(
      leave => leaves.push(leave),
      () => 0,
    ),
  );
  await new Promise(setImmediate);
  const count = leaves.length;
  for (const stop of stops) stop.abort();
  for (const leave of leaves) leave();
  await Promise.all(asked);
  return count;
}

test('a server that drops connections gets half as many, and one more with each full set that it takes', async () => {
  const pace = Pace.of('server 1', 8);
  assert.equal(await admitted(pace), 8);
  const leaves = await Promise.all(Array.from({ length: 8 }, () => pace.enter(new AbortController().signal)));
  pace.dropped();
  for (const leave of leaves) leave();
  assert.equal(await admitted(pace), 4);
  for (let opened = 0; opened < 4; opened++) pace.opened();
  assert.equal(await admitted(pace), 5);
  for (let dropped = 0; dropped < 10; dropped++) pace.dropped();
  assert.equal(await admitted(pace), 1, 'one at least');
});

test('what was learned of a server is kept until it takes all again', async () => {
  const slow = Pace.of('server 2', 4);
  const leave = await slow.enter(new AbortController().signal);
  slow.dropped();
  leave();
  assert.equal(Pace.of('server 2', 4), slow);
  assert.equal(await admitted(Pace.of('server 2', 4)), 1);
  for (let opened = 0; opened < 1 + 2 + 3; opened++) slow.opened();
  assert.equal(await admitted(slow), 4);
  assert.notEqual(Pace.of('server 2', 4), slow);
});

test('a wait between two attempts ends when connecting is given up', async () => {
  const stop = new AbortController();
  const waiting = Pace.of('server 3', 1).backOff(20, stop.signal);
  stop.abort();
  await assert.rejects(waiting, { name: 'TransportError', kind: 'cancelled' });
});
