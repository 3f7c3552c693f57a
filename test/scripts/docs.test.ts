/** The pages that are made from the source are up to date, complete and short. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { codeRows, NOT_SHOWN } from '../../scripts/docs/errors.js';
import { kindRows } from '../../scripts/docs/failures.js';
import { missingTests } from '../../scripts/docs/faults-elsewhere.js';
import { generatedPages } from '../../scripts/docs/main.js';
import { eventRows, missingMetrics } from '../../scripts/docs/observability.js';
import { ROOT, sentences } from '../../scripts/docs/source.js';
import { RECORDED, type Surface } from '../../scripts/surface.js';
import { ERROR_KINDS } from '../../src/queue/drone/error-kinds.js';

const MAX_LINES = 200;

const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as Surface;
const pages = await generatedPages();

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

for (const [path, text] of pages) {
  test(`${path} is up to date: npm run docs writes it`, () => {
    assert.equal(readFileSync(new URL(path, ROOT), 'utf8'), text);
  });

  if (path === 'README.md') continue;
  test(`${path} is short and names the command that writes it`, () => {
    assert.ok(text.split('\n').length <= MAX_LINES);
    assert.match(text, /`npm run docs`/);
  });
}

test('no page of options is left from an earlier run', () => {
  const there = readdirSync(new URL('docs/options/', ROOT)).map(name => `docs/options/${name}`);
  assert.deepEqual(
    there.filter(path => !pages.has(path)),
    [],
  );
});

test('each error code on record has a row, and each row a code', () => {
  const codes = recorded.codes.filter(code => !NOT_SHOWN.includes(code));
  assert.deepEqual(unique(codeRows().map(({ code }) => code)), codes);
});

test('each row of an error code names its error, what happened and what to do', () => {
  const rows = codeRows();
  assert.deepEqual(
    rows.filter(({ shownBy, meaning, remedy }) => [shownBy, meaning, remedy].includes('')),
    [],
  );
  assert.deepEqual(unique(rows.map(({ code, shownBy }) => `${code} ${shownBy}`)).length, rows.length);
});

test('each kind of failure has a row that says what happened, which calls ran and what to do', () => {
  const rows = kindRows();
  assert.deepEqual(
    rows.map(([kind]) => kind),
    Object.keys(ERROR_KINDS).map(kind => `\`${kind}\``),
  );
  assert.deepEqual(
    rows.filter(row => row.length !== 4 || row.includes('')),
    [],
  );
});

test('each fault that is tested beside its part names a test that is there', () => {
  assert.deepEqual(missingTests(), []);
});

test('each metric that the source sends has a row of its type', () => {
  assert.deepEqual(missingMetrics(), []);
});

test('each event on record has a row with its message', () => {
  const rows = eventRows();
  assert.deepEqual(unique(rows.map(({ channel }) => channel)), recorded.events);
  assert.deepEqual(
    rows.filter(({ text, fields }) => text === '' || fields === ''),
    [],
  );
});

test('sentences are split at their ends, and the rest is the last', () => {
  assert.deepEqual(sentences('See `a.b` 1.5 times. Then stop. Or not.', 2), [
    'See `a.b` 1.5 times.',
    'Then stop. Or not.',
  ]);
  assert.deepEqual(sentences('Only one', 3), ['Only one', '', '']);
});
