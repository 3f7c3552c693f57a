/** What the docs say of kinds of failure agrees with the table of kinds. */
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

const kinds = Object.keys(ERROR_KINDS) as DroneErrorKind[];

/** The kinds that a passage names in backticks. */
function named(passage: string | undefined): string[] {
  const words = [...(passage ?? '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  return [...new Set(words.filter(word => word in ERROR_KINDS))].sort();
}

function kindsWith(holds: (kind: (typeof ERROR_KINDS)[DroneErrorKind]) => boolean): string[] {
  return kinds.filter(kind => holds(ERROR_KINDS[kind])).sort();
}

/** The kinds that each passage of the docs names, for passages that name any. */
function namedIn(passages: RegExp): string[][] {
  return [...docs.matchAll(passages)].map(([, passage]) => named(passage)).filter(names => names.length > 0);
}

test('the docs name exactly the kinds that are never retried', () => {
  const never = kindsWith(({ retry }) => retry === 'never');
  const found = namedIn(/The kinds (`[^.]*?)\s+are\s+never\s+retried/gs);
  assert.ok(found.length > 0);
  for (const names of found) assert.deepEqual(names, never);
});
