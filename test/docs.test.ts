/** What has to hold of the pages of the documentation, whatever they are about. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { brokenLinks } from '../scripts/doc-links.js';
import { docPrograms } from '../scripts/doc-blocks.js';
import { CONTENTS, pagesByGroup } from '../scripts/docs-contents.js';
import { commandBreaches } from '../scripts/doc-commands.js';
import { markdownPages, readMarkdown, ROOT } from '../scripts/markdown.js';
import { WORDS } from './banned-words.js';
import { sizeBreaches, wordBreaches, type SourceFile } from './source-rules.js';

const MAX_README_LINES = 260;
const MAX_PAGE_LINES = 200;

const pages: readonly SourceFile[] = markdownPages().map(path => ({
  path,
  text: readFileSync(join(ROOT, path), 'utf8'),
}));
const readme = pages.filter(({ path }) => path === 'README.md');
const guides = pages.filter(({ path }) => path.startsWith('docs/'));

test('every link of a page leads to a file of the project, and its anchor to a heading', () => {
  assert.deepEqual(brokenLinks(), []);
});

test('the README and the pages can be read in one go', () => {
  assert.deepEqual(sizeBreaches(readme, MAX_README_LINES), []);
  assert.deepEqual(sizeBreaches(guides, MAX_PAGE_LINES), []);
});

test('every page has a place in the order of pages, and each place a page', () => {
  const files = pages.map(({ path }) => path).filter(path => path !== 'README.md');
  const placed = pagesByGroup(files).flatMap(([, paths]) => paths);
  assert.deepEqual([...placed].sort(), [...files].sort());
  const entries = Object.values(CONTENTS).flat();
  assert.deepEqual(
    entries.filter(entry => !existsSync(join(ROOT, entry))),
    [],
  );
});

test('every test that a promise names exists', () => {
  const promises = readFileSync(join(ROOT, 'docs/guarantees.md'), 'utf8');
  const named = [...promises.matchAll(/(?<![\w*./-])(?:\.\.\/)?(?:test\/)?(\w[\w/.-]*\.test\.ts)\b/g)].map(
    ([, path = '']) => path,
  );
  assert.ok(named.length > 5);
  assert.deepEqual(
    named.filter(path => !existsSync(join(ROOT, 'test', path))),
    [],
  );
});

test('commands in the blocks of sh are scripts of package.json and commands of drone-shard', () => {
  assert.deepEqual(
    pages.flatMap(({ path, text }) => commandBreaches(path, readMarkdown(text).fences)),
    [],
  );
});

test('the README and the pages have programs, which npm run package runs', () => {
  assert.ok(docPrograms().some(({ title }) => title.startsWith('README.md')));
});

test('pages call things by their names', () => {
  assert.deepEqual(wordBreaches([...readme, ...guides], WORDS), []);
});
