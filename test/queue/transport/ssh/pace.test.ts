/** How many connections one server gets at once, and how that changes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Pace, type PacePlace } from '../../../../src/queue/transport/ssh/pace.js';
import type { Pause } from '../../../../src/queue/transport/transport.js';

const pause: Pause = wait => wait();

/** How many are let in at once right now, of twenty that ask. */
async function admitted(pace: Pace): Promise<number> {
  const places: PacePlace[] = [];
  const stops = Array.from({ length: 20 }, () => new AbortController());
  const asked = stops.map(stop =>
    pace.enter(stop.signal, pause).then(
      place => places.push(place),
      () => 0,
    ),
  );
  await new Promise(setImmediate);
  const count = places.length;
  for (const stop of stops) stop.abort();
  for (const place of places) place.leave();
  await Promise.all(asked);
  return count;
}

test('a server that drops connections gets half as many, and one more with each full set that it takes', async () => {
  const pace = Pace.of('server 1', 8);
  assert.equal(await admitted(pace), 8);
  const places = await Promise.all(Array.from({ length: 8 }, () => pace.enter(new AbortController().signal, pause)));
  // All eight in one burst count once.
  for (const place of places) place.dropped();
  for (const place of places) place.leave();
  assert.equal(await admitted(pace), 4);
  for (let opened = 0; opened < 4; opened++) pace.opened();
  assert.equal(await admitted(pace), 5);
  for (let times = 0; times < 10; times++) {
    const place = await pace.enter(new AbortController().signal, pause);
    place.dropped();
    place.leave();
  }
  assert.equal(await admitted(pace), 1, 'one at least');
});

test('what was learned of a server is kept until it takes all again', async () => {
  const slow = Pace.of('server 2', 4);
  const place = await slow.enter(new AbortController().signal, pause);
  place.dropped();
  place.leave();
  assert.equal(Pace.of('server 2', 4), slow);
  assert.equal(await admitted(Pace.of('server 2', 4)), 1);
  for (let opened = 0; opened < 1 + 2 + 3; opened++) slow.opened();
  assert.equal(await admitted(slow), 4);
  assert.notEqual(Pace.of('server 2', 4), slow);
});

test('queues that allow different numbers at once do not share a pace', async () => {
  const place = await Pace.of('server 4', 1).enter(new AbortController().signal, pause);
  assert.equal(await admitted(Pace.of('server 4', 3)), 3);
  place.leave();
});

test('a place that is free is taken without a pause, and one that is awaited leaves nothing behind when that fails', async () => {
  const pace = Pace.of('server 5', 1);
  const { signal } = new AbortController();
  const place = await pace.enter(signal, () => assert.fail('there was no need to wait'));
  const noTurn: Pause = async wait => {
    await wait();
    throw new Error('no turn');
  };
  const entered = pace.enter(signal, noTurn);
  place.leave();
  await assert.rejects(entered, { message: 'no turn' });
  assert.equal(await admitted(pace), 1);
});

test('a wait between two attempts ends when connecting is given up', async () => {
  const stop = new AbortController();
  const waiting = Pace.of('server 3', 1).backOff(20, true, stop.signal);
  const reason = new Error('given up');
  stop.abort(reason);
  await assert.rejects(waiting, reason);
});
