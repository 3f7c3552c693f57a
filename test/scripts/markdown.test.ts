import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { programsOf } from '../../scripts/doc-blocks.js';
import { commandBreaches } from '../../scripts/doc-commands.js';
import { brokenLinks } from '../../scripts/doc-links.js';
import { pagesByGroup } from '../../scripts/docs-contents.js';
import { anchorsOf, linksOf, readMarkdown } from '../../scripts/markdown.js';

function brokenIn(files: Readonly<Record<string, string>>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'doc-links-'));
  try {
    for (const [path, text] of Object.entries({ 'docs/index.md': '', ...files })) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return brokenLinks(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const ANCHORS: readonly (readonly [heading: string, anchor: string])[] = [
  ['## Retry and kick-out', 'retry-and-kick-out'],
  ['## `queue.execute(drones)` returns', 'queueexecutedrones-returns'],
  ['### A — B', 'a--b'],
  ['## See [the page](x.md)', 'see-the-page'],
  ['## known_hosts', 'known_hosts'],
  ['## An _important_ one ##', 'an-important-one'],
  ['<a id="old-name"></a>', 'old-name'],
];

for (const [heading, anchor] of ANCHORS) {
  test(`"${heading}" has the anchor ${anchor}`, () => {
    assert.deepEqual([...anchorsOf(`${heading}\n`)], [anchor]);
  });
}

test('headings of one name get numbers', () => {
  assert.deepEqual([...anchorsOf('# A\n## A\n## a\n')], ['a', 'a-1', 'a-2']);
});

test('headings and links in code are text', () => {
  const page = '```sh\n# not a heading [a](b.md)\n```\n\n`[c](d.md)` ``e` [f](g.md)``\n';
  assert.deepEqual([...anchorsOf(page)], []);
  assert.deepEqual(linksOf(page), []);
});

test('links, images and references are found with their lines', () => {
  const page = '# T\n\nSee [a](b.md#c "title"), ![d](e.png)\n\n[f]: g.md\n';
  assert.deepEqual(linksOf(page), [
    { text: 'b.md#c', line: 3 },
    { text: 'e.png', line: 3 },
    { text: 'g.md', line: 5 },
  ]);
});

test('a block in a list loses the indentation of its fence', () => {
  const { fences, prose } = readMarkdown('- a\n\n  ```ts program\n  if (b) {\n    c;\n  }\n  ```\n');
  assert.deepEqual(fences, [{ info: 'ts program', text: 'if (b) {\n  c;\n}\n', line: 3 }]);
  assert.deepEqual(
    prose.map(({ text }) => text).filter(text => text !== ''),
    ['- a'],
  );
});

test('a block without an end is an error that gives its line', () => {
  assert.throws(() => readMarkdown('a\n```ts\nb\n'), /begins in line 2 has no end/);
});

test('links to missing files, missing headings and line numbers are broken', () => {
  const page = '[a](x.md) [b](#no) [c](../src/a.ts#L3) [d](../../e.md) [f](https://example.org/g) [h](#t)\n\n# T\n';
  assert.deepEqual(brokenIn({ 'docs/index.md': page, 'src/a.ts': '' }), [
    'docs/index.md:1: x.md: no such file',
    'docs/index.md:1: #no: no such heading',
    'docs/index.md:1: ../src/a.ts#L3: lines move: name what is there instead',
    'docs/index.md:1: ../../e.md: leaves the project',
  ]);
});

test('links between pages lead to headings, from the README too', () => {
  const files = { 'README.md': '[a](docs/b.md#c-d)', 'docs/b.md': '# C d\n\n[r](../README.md)' };
  assert.deepEqual(brokenIn(files), []);
});

const PROGRAM = '```json file=hosts.json\n[]\n```\n\n```ts program\na();\n```\n';

test('a program comes with the files before it and the output after it', () => {
  const { fences, prose } = readMarkdown(
    `${PROGRAM}\nIt prints:\n\n<!-- varies: \\d+ ms -->\n\n\`\`\`text\n1 ms\n\`\`\`\n`,
  );
  assert.deepEqual(programsOf('docs/a.md', fences, prose), [
    {
      title: 'docs/a.md:5',
      text: 'a();\n',
      output: '1 ms\n',
      varies: /\d+ ms/g,
      files: new Map([['hosts.json', '[]\n']]),
    },
  ]);
});

test('a block of text behind the next heading is not the output of a program', () => {
  const { fences, prose } = readMarkdown(`${PROGRAM}\n## Next\n\n\`\`\`text\nb\n\`\`\`\n`);
  assert.equal(programsOf('docs/a.md', fences, prose)[0]?.output, undefined);
});

test('scripts and commands that do not exist are named with their line', () => {
  const { fences } = readMarkdown(
    '```sh\nnpm run docs # npm run nothing\nnpm run nothing\nnpx drone-shard add-shard s1\ndrone-shard adopt\n```\n',
  );
  assert.deepEqual(commandBreaches('a.md', fences), [
    "a.md:3: package.json has no script 'nothing'",
    "a.md:5: drone-shard has no command 'adopt'",
  ]);
});

test('a directory in the order of pages stands for its pages, but for those listed by themselves', () => {
  const groups = new Map(pagesByGroup(['docs/options/b.md', 'docs/options/a.md', 'docs/options.md', 'docs/errors.md']));
  assert.deepEqual(groups.get('Reference'), [
    'docs/errors.md',
    'docs/options.md',
    'docs/options/a.md',
    'docs/options/b.md',
  ]);
});
