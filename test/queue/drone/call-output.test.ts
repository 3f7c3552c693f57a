/** The reading loop's end of a call's output. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CallOutput } from '../../../src/queue/drone/call-output.js';

test('of chunks that were asked for at once each is consumed', async () => {
  const output = new CallOutput();
  const consumed: number[] = [];
  const asked = [output.next(), output.next(), output.next()];
  for (const number of [1, 2, 3]) {
    output.push({ stream: 'stdout', chunk: Uint8Array.of(number) }, () => {
      consumed.push(number);
    });
  }
  assert.deepEqual(
    (await Promise.all(asked)).map(({ value }) => value?.chunk[0]),
    [1, 2, 3],
  );
  void output.next();
  assert.deepEqual(consumed, [1, 2, 3]);
  await output.return();
});
