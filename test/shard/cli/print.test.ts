/** Lists of `drone-shard` as text. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { table } from '../../../src/shard/cli/print.js';

test('a table has aligned columns, and a dash where nothing is', () => {
  const text = table(
    ['job', 'name'],
    [
      [1, 'smoke'],
      [12_345, null],
      [undefined, ''],
    ],
  );
  assert.equal(text, 'job    name\n1      smoke\n12345  -\n-      -\n');
});

test("a shard's text can neither break a line nor send control characters to a terminal", () => {
  const text = table(['status'], [['a\nb\u001b[2J'], ['x'.repeat(1000)]]);
  assert.match(text, /^status\na b \[2J\nx{300}…\n$/);
});
