/** Run by leak-check.test.ts only: a test file with one test that leaks. */
import test from 'node:test';
import { leakCheck } from '../leak-check.js';

leakCheck(100);

test('ends its timer', () => {
  clearInterval(setInterval(() => undefined, 100_000));
});

test('forgets its timer', () => {
  setInterval(() => undefined, 100_000).unref();
});

test('comes after the leak', () => undefined);
