/** When a slot whose threads die may start another. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CrashLimit } from '../../../src/queue/thread/crash-limit.js';

test('five deaths within a minute are refused until the oldest of them is a minute old', () => {
  const limit = new CrashLimit();
  const last = new Error('out of memory');
  for (let death = 0; death < 5; death++) {
    assert.equal(limit.refusal(1000 * death), undefined);
    limit.note(death === 4 ? last : new Error('another'), 1000 * death);
  }
  const refusal = limit.refusal(59_999);
  assert.match(String(refusal), /5 worker threads .* within 60 s, the last of: Error: out of memory/);
  assert.equal((refusal as NodeJS.ErrnoException).code, 'ERR_THREAD_CRASH_LOOP');
  assert.equal(refusal?.cause, last);
  assert.equal(limit.refusal(60_000), undefined);
});

test('one more death after that counts with the four that are not yet a minute old', () => {
  const limit = new CrashLimit();
  for (let death = 0; death < 5; death++) limit.note('of something', 1000 * death);
  limit.note('of something', 60_000);
  assert.ok(limit.refusal(60_999));
  assert.equal(limit.refusal(61_000), undefined);
});

test('deaths that are farther apart are never refused', () => {
  const limit = new CrashLimit();
  for (let death = 0; death < 20; death++) {
    limit.note('of something', 15_000 * death);
    assert.equal(limit.refusal(15_000 * death), undefined);
  }
});
