import assert from 'node:assert/strict';
import test from 'node:test';
import { PrintedLines } from '../../../src/queue/agent/printed-lines.js';

function collect(): { printed: PrintedLines; lines: [number, string][] } {
  const lines: [number, string][] = [];
  return { printed: new PrintedLines((batch, line) => lines.push([batch, line])), lines };
}

test('pieces are put together to lines, batch by batch', () => {
  const { printed, lines } = collect();
  printed.push(1, 'a');
  printed.push(2, 'x\ny');
  printed.push(1, 'b\n\nc\n');
  assert.deepEqual(lines, [
    [2, 'x'],
    [1, 'ab'],
    [1, ''],
    [1, 'c'],
  ]);
  printed.endAll();
  printed.endAll();
  assert.deepEqual(lines.slice(4), [[2, 'y']]);
});

test('a hundred lines of a batch are told, then that there are more', () => {
  const { printed, lines } = collect();
  printed.push(1, 'line\n'.repeat(250));
  printed.push(1, 'another\n');
  printed.push(2, 'other\n');
  assert.equal(lines.length, 102);
  assert.deepEqual(lines.slice(100), [
    [1, 'and more, omitted'],
    [2, 'other'],
  ]);
});

test('a line without end is cut into one, and not kept', () => {
  const { printed, lines } = collect();
  for (let time = 0; time < 30; time++) printed.push(1, 'x'.repeat(100));
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.[1].length, 2001);
});

test('finished batches are forgotten, the oldest first', () => {
  const { printed, lines } = collect();
  printed.push(0, 'begun');
  for (let batch = 1; batch <= 2000; batch++) printed.push(batch, 'line\n');
  printed.push(0, '\n');
  assert.deepEqual(lines.at(-1), [0, '']);
});
