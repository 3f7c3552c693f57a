import assert from 'node:assert/strict';
import test from 'node:test';
import { WORDS } from './banned-words.js';
import { wordBreaches } from './source-rules.js';

const BAD = [
  'whoever asks gets an update',
  'Nobody waits for it',
  'somebody else holds the lock',
  'a waiter and his lock',
  'the caller is told once',
  'a program of yours',
  'what came is no JSON',
];
const GOOD = [
  'this is chosen by the caller',
  'there is no agent on web1',
  'the connection is no longer needed',
  'the default is no limit',
  'history is in git',
];

for (const text of BAD) {
  test(`"${text}" is refused, with what to say instead`, () => {
    assert.match(wordBreaches([{ path: 'a.ts', text }], WORDS).join(), /^a\.ts:1: avoid "[^"]+": \S/);
  });
}

test('ordinary words are fine', () => {
  assert.deepEqual(wordBreaches([{ path: 'a.ts', text: GOOD.join('\n') }], WORDS), []);
});
