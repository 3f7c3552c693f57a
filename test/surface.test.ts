/** What users can rely on is what is recorded: see scripts/surface.js, which also records a change that is meant. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { readSurface, RECORDED, type Surface } from '../scripts/surface.js';

const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as Surface;
const surface = await readSurface();

for (const part of ['codes', 'events', 'metrics'] as const) {
  test(`all ${part} are those on record`, () => {
    assert.deepEqual(surface[part], recorded[part]);
  });
}

test('the entry points are those on record', () => {
  assert.deepEqual(Object.keys(surface.exports), Object.keys(recorded.exports));
});

for (const [door, names] of Object.entries(recorded.exports)) {
  test(`${door} exports the names on record, with their members`, () => {
    assert.deepEqual(surface.exports[door], names);
  });
}
