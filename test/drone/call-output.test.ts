import assert from 'node:assert/strict';
import test from 'node:test';
import { CallOutput, type OutputChunk } from '../../src/drone/call-output.js';

/** An output, and which of its chunks were consumed. */
class Source {
  readonly output = new CallOutput();
  readonly consumed: number[] = [];

  push(...numbers: readonly number[]): void {
    for (const number of numbers) this.output.push(chunk(number), () => this.consumed.push(number));
  }
}

const chunk = (number: number): OutputChunk => ({ stream: 'stdout', chunk: Uint8Array.of(number) });
const given = (number: number): IteratorResult<OutputChunk> => ({ done: false, value: chunk(number) });
const DONE = { done: true, value: undefined };

test('a chunk is consumed when the next one is asked for', async () => {
  const source = new Source();
  const { output, consumed } = source;
  source.push(1, 2);
  assert.deepEqual(await output.next(), given(1));
  assert.deepEqual(consumed, []);
  assert.deepEqual(await output.next(), given(2));
  assert.deepEqual(consumed, [1]);
  const third = output.next();
  assert.deepEqual(consumed, [1, 2]);
  source.push(3);
  assert.deepEqual(await third, given(3));
  assert.deepEqual(consumed, [1, 2]);
});

test('chunks asked for ahead come in order, and all who wait at the end are told', async () => {
  const source = new Source();
  const asked = [source.output.next(), source.output.next(), source.output.next(), source.output.next()];
  source.push(1, 2);
  source.output.end();
  assert.deepEqual(await Promise.all(asked), [given(1), given(2), DONE, DONE]);
  assert.deepEqual(await source.output.next(), DONE);
});

test('what had come before the end is given after it', async () => {
  const source = new Source();
  source.push(1, 2);
  source.output.end();
  assert.deepEqual(await source.output.next(), given(1));
  assert.deepEqual(await source.output.next(), given(2));
  assert.deepEqual(await source.output.next(), DONE);
  assert.deepEqual(source.consumed, [1, 2]);
});

test('a reader that leaves, be it before its first chunk, has all consumed that came and is to come', async () => {
  for (const reads of [0, 1]) {
    const source = new Source();
    source.push(1, 2, 3);
    for (let read = 0; read < reads; read++) await source.output.next();
    assert.deepEqual(await source.output.return(), DONE);
    source.push(4);
    assert.deepEqual(source.consumed, [1, 2, 3, 4]);
    assert.deepEqual(await source.output.next(), DONE);
  }
});
