import assert from 'node:assert/strict';
import test from 'node:test';
import { faultTable, missingRows } from '../../scripts/fault-table.js';

function report(row: number, fault = 'the host is gone'): Parameters<typeof faultTable>[0][number] {
  return { row, fault, injected: 'nothing', sees: '`lost`', within: 'call time-out', withinMs: 1000, tookMs: 1234 };
}

const EVERY_ROW = Array.from({ length: 35 }, (_, at) => report(at + 1));

test('no row is missing of those that were all reported', () => {
  assert.deepEqual(missingRows(EVERY_ROW), []);
});

test('a row without a report is named', () => {
  assert.deepEqual(missingRows(EVERY_ROW.filter(({ row }) => row !== 8 && row !== 35)), [8, 35]);
});

test('rows stand in order, with the promised and the taken time', () => {
  const lines = faultTable([report(10), report(9, 'b'), report(9, 'a')]).split('\n');
  assert.deepEqual(
    lines.slice(2).map(line => line.split(' | ')[1] ?? ''),
    ['a', 'b', 'the host is gone', ''],
  );
  assert.equal(lines[2], '| 9 | a | nothing | `lost` | call time-out (1,000 ms) | 1,234 ms |');
});

test('a pipe in a cell does not end it', () => {
  assert.match(faultTable([report(1, 'a | b')]), /\| 1 \| a \\\| b \|/);
});
