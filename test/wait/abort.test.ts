import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import test from 'node:test';
import { onAbort, raceAbort } from '../../src/wait/abort.js';

const REASON = new Error('the caller has lost interest');

test('onAbort calls back once with the reason, and at once when the signal has aborted', () => {
  const controller = new AbortController();
  const reasons: string[] = [];
  onAbort(controller.signal, reason => reasons.push(String(reason)));
  assert.equal(reasons.length, 0);
  controller.abort(REASON);
  controller.abort(new Error('again'));
  assert.deepEqual(reasons, [String(REASON)]);
  onAbort(controller.signal, reason => reasons.push(String(reason)));
  assert.deepEqual(reasons, [String(REASON), String(REASON)]);
});

test('onAbort keeps two listeners of one function apart, and accepts no signal', () => {
  const controller = new AbortController();
  let calls = 0;
  const count = (): void => {
    calls += 1;
  };
  const stopListening = onAbort(controller.signal, count);
  onAbort(controller.signal, count);
  onAbort(undefined, count)();
  stopListening();
  controller.abort();
  assert.equal(calls, 1);
});

test('many waits with one signal cause no warning of a leak', async t => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  const { signal } = new AbortController();
  for (let n = 0; n < 20; n++) onAbort(signal, () => undefined);
  // Warnings are emitted on the next tick.
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test('raceAbort settles as the work does, and stops listening', async () => {
  const { signal } = new AbortController();
  assert.equal(await raceAbort(signal, Promise.resolve('done')), 'done');
  await assert.rejects(raceAbort(signal, Promise.reject(REASON)), REASON);
  assert.equal(await raceAbort(undefined, Promise.resolve('unlimited')), 'unlimited');
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
});

test('raceAbort rejects with the reason, then discards a late value and ignores a late failure', async () => {
  const controller = new AbortController();
  let resolve = (_value: string): void => undefined;
  let reject = (_error: Error): void => undefined;
  const late: string[] = [];
  const works = raceAbort(controller.signal, new Promise<string>(done => (resolve = done)), value => late.push(value));
  const fails = raceAbort(controller.signal, new Promise<string>((_, failed) => (reject = failed)));
  controller.abort(REASON);
  await assert.rejects(works, REASON);
  await assert.rejects(fails, REASON);
  resolve('too late');
  reject(new Error('too late'));
  await new Promise(done => setImmediate(done));
  assert.deepEqual(late, ['too late']);
  await assert.rejects(raceAbort(controller.signal, Promise.resolve('never given')), REASON);
});
