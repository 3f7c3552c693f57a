/** Turns to connect, and pauses between them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { inTurn } from '../../../src/queue/thread/connect-turn.js';
import type { Pause } from '../../../src/queue/transport/transport.js';
import { Semaphore } from '../../../src/wait/semaphore.js';

const { signal } = new AbortController();

test('a pause lets another one connect, and has a turn again when it is over', async () => {
  const turns = new Semaphore(1);
  let waits = 0;
  const work = async (pause: Pause): Promise<string> => {
    const said = await pause(() =>
      inTurn(
        turns,
        signal,
        () => undefined,
        () => Promise.resolve('from the other'),
      ),
    );
    assert.equal(turns.inside, 1);
    return said;
  };
  assert.equal(await inTurn(turns, signal, () => waits++, work), 'from the other');
  assert.equal(waits, 3, 'for the turn, in the pause, and for the turn after it');
  assert(turns.isEmpty);
});

test('a turn is given back when the work fails, and a pause that fails has none', async () => {
  const turns = new Semaphore(1);
  const refused = new Error('refused');
  const work = async (pause: Pause): Promise<void> => {
    await assert.rejects(
      pause(() => Promise.reject(refused)),
      refused,
    );
    assert.equal(turns.inside, 0);
    throw refused;
  };
  await assert.rejects(
    inTurn(turns, signal, () => undefined, work),
    refused,
  );
  assert(turns.isEmpty);
});

test('an abort ends the wait for a turn, at first and after a pause', async () => {
  const turns = new Semaphore(1);
  const stop = new AbortController();
  const reason = new Error('given up');
  let others = (): void => undefined;
  const work = async (pause: Pause): Promise<void> =>
    pause(async () => {
      others = await turns.enter(signal);
      queueMicrotask(() => stop.abort(reason));
    });
  await assert.rejects(
    inTurn(turns, stop.signal, () => undefined, work),
    reason,
  );
  const unwanted = (): Promise<void> => Promise.reject(new Error('it had no turn'));
  await assert.rejects(
    inTurn(turns, stop.signal, () => undefined, unwanted),
    reason,
  );
  others();
  assert(turns.isEmpty);
});
