/** The docs name the kinds of failure, and what follows from each, as the table of kinds does. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { type DroneErrorKind, ERROR_KINDS } from '../../../src/queue/drone/error-kinds.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

const ROOT = new URL('../../../', import.meta.url);
const inDocs = readdirSync(new URL('docs', ROOT), { recursive: true, encoding: 'utf8' }).map(path => `docs/${path}`);
const pages = ['README.md', ...inDocs.filter(path => path.endsWith('.md'))];
const docs = pages.map(path => readFileSync(new URL(path, ROOT), 'utf8')).join('\n');
const source = readFileSync(new URL('src/queue/drone/error-kinds.ts', ROOT), 'utf8');

const kinds = Object.keys(ERROR_KINDS) as DroneErrorKind[];

/** The kinds that a passage names in backticks. */
function named(passage: string | undefined): string[] {
  const words = [...(passage ?? '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  return [...new Set(words.filter(word => word in ERROR_KINDS))].sort();
}

function kindsWith(holds: (kind: (typeof ERROR_KINDS)[DroneErrorKind]) => boolean): string[] {
  return kinds.filter(kind => holds(ERROR_KINDS[kind])).sort();
}

/** First cells of the table whose header begins with these. */
function firstCells(text: string, header: string): string {
  const [, rows = ''] = new RegExp(`${header}.*\\n.*\\n((?:.*\\|.*\\n)*)`).exec(text) ?? [];
  return [...rows.matchAll(/^(?: \* )?\| (.*?) \|/gm)].map(([, cell = '']) => cell).join(' ');
}

test('the documented table of failures has a row for each kind', () => {
  assert.deepEqual(named(firstCells(docs, '\\| kind +\\| what happened')), [...kinds].sort());
});

test('the doc comment of DroneErrorKind has a row for each kind', () => {
  assert.deepEqual(named(firstCells(source, '\\| kind +\\| meaning')), [...kinds].sort());
});

test('the docs name the kinds that are never retried', () => {
  const [, passage] = /Never tried again:(.*?)and anything/s.exec(docs) ?? [];
  assert.deepEqual(
    named(passage),
    kindsWith(({ retry }) => !retry),
  );
});

test('the docs name the kinds that count towards a kick-out', () => {
  const [, passage] = /does not connect or answer:(.*?)\./s.exec(docs) ?? [];
  assert.deepEqual(
    named(passage),
    kindsWith(({ sign }) => sign === 'silent'),
  );
});
