import assert from 'node:assert/strict';
import test from 'node:test';
import {
  cycleBreaches,
  exceptionBreaches,
  layerBreaches,
  mapBreaches,
  packageBreaches,
  packagesInTypes,
  sizeBreaches,
  tableBreaches,
  wordBreaches,
  type Layer,
  type SourceFile,
} from './source-rules.js';

const LAYERS: readonly Layer[] = [
  { name: 'low', files: ['low*.ts', 'low/'], not: [], because: 'it is low' },
  { name: 'beside', files: ['beside.ts'], not: [], because: 'it is beside' },
  { name: 'high', files: ['high.ts'], not: ['beside', 'low/secret.ts'], because: 'it is high' },
];

function file(path: string, text = ''): SourceFile {
  return { path, text };
}

test('imports within a layer and down to one below it are fine', () => {
  const files = [
    file('high.ts', "import { a } from './low.js';"),
    file('low.ts', "import { a } from './low/deep.js';"),
    file('low/deep.ts', "import fs from 'node:fs';"),
  ];
  assert.deepEqual(layerBreaches(files, LAYERS), []);
});

const UPWARD: readonly (readonly [name: string, text: string])[] = [
  ['a plain import', "import { a } from '../high.js';"],
  ['an import of a type', "import type { A } from '../high.js';"],
  ['an import for its effects', "import '../high.js';"],
  ['an export from elsewhere', "export { a } from '../high.js';"],
  ['an import type', "export type A = import('../high.js').A;"],
  ['a dynamic import in a function', "export const load = () => { return import('../high.js'); };"],
];

for (const [name, text] of UPWARD) {
  test(`${name} against the direction is a breach that gives the reason`, () => {
    assert.deepEqual(layerBreaches([file('low/deep.ts', text), file('high.ts')], LAYERS), [
      'low/deep.ts (low) imports high.ts (high), which it must not, because it is low',
    ]);
  });
}

test('a file without a layer, and an import of a file that is not there, are breaches', () => {
  assert.deepEqual(layerBreaches([file('new.ts'), file('low.ts', "import a from '../package.json';")], LAYERS), [
    "new.ts is in no layer: say in the table where it stands on a call's way",
    'low.ts imports ../package.json, which is not a source file in a layer',
  ]);
});

test('an import of what a layer excludes is a breach, of a layer as of a file', () => {
  const below = [file('beside.ts'), file('low/secret.ts')];
  for (const [target, layer] of [
    ['beside.ts', 'beside'],
    ['low/secret.ts', 'low'],
  ] as const) {
    const text = `import { a } from './${target.replace(/ts$/, 'js')}';`;
    assert.deepEqual(layerBreaches([file('high.ts', text), ...below], LAYERS), [
      `high.ts (high) imports ${target} (${layer}), which it must not, because it is high`,
    ]);
  }
});

test('a table that excludes what is not there is a breach', () => {
  const secret = file('low/secret.ts');
  assert.deepEqual(tableBreaches([secret], LAYERS), []);
  assert.deepEqual(tableBreaches([], LAYERS), [
    'layer high excludes low/secret.ts, which is neither a file nor a layer before it in the table',
  ]);
});

test('a cycle is found however long it is, also where only types close it', () => {
  const round = (last: string): SourceFile[] => [
    file('a.ts', "import './b.js';"),
    file('b.ts', "import './c.js';"),
    file('c.ts', last),
  ];
  assert.match(cycleBreaches(round("import './a.js';")).join(), /^a\.ts → b\.ts → c\.ts → a\.ts: /);
  assert.match(cycleBreaches(round("export const load = () => import('./b.js');")).join(), /^b\.ts → c\.ts → b\.ts: /);
  assert.match(cycleBreaches(round("import type { A } from './a.js';")).join(), /^a\.ts → b\.ts → c\.ts → a\.ts: /);
  assert.deepEqual(cycleBreaches(round("import type { D } from 'ssh2';")), []);
});

test('a package is refused outside of its files, and one that no rule knows everywhere', () => {
  const rules = [{ name: 'ssh2', onlyIn: ['ssh/'], because: 'so it is' }];
  const text = "import { Client } from 'ssh2';";
  assert.deepEqual(packageBreaches([file('ssh/a.ts', text)], rules), []);
  assert.deepEqual(packageBreaches([file('a.ts', text), file('b.ts', "import 'ssh2-streams';")], rules), [
    'a.ts imports ssh2, which only ssh/ may, because so it is',
    'b.ts imports ssh2-streams, which is not a dependency in the table',
  ]);
});

test('one line too many is a breach, the newline at the end of a file is not', () => {
  assert.deepEqual(sizeBreaches([file('a.ts', '1\n2\n')], 2), []);
  assert.match(sizeBreaches([file('a.ts', '1\n2\n3\n')], 2).join(), /^a\.ts has 3 lines, more than 2: /);
});

test('logic and unnamed exports in an entry point are breaches', () => {
  const map = file('index.ts', "/** A map. */\nexport { b, c as a } from './x.js';\nexport type { D } from './y.js';");
  assert.deepEqual(mapBreaches(map), []);
  for (const text of [
    "export * from './x.js';",
    "export * as x from './x.js';",
    "import './x.js';",
    'export const a = 1;',
    'console.log(1);',
  ]) {
    assert.equal(mapBreaches(file('index.ts', text)).length, 1, text);
  }
});

test('packages in declarations are found along imports from the entry points, and only there', () => {
  const files = [
    file('index.d.ts', "export { A } from './a.js';\nimport 'node:fs';"),
    file('a.d.ts', "export type A = import('piscina').Piscina;"),
    file('inner.d.ts', "import type { Client } from 'ssh2';"),
  ];
  assert.deepEqual(packagesInTypes(files, ['index.d.ts']), ['piscina']);
  assert.throws(() => packagesInTypes(files, ['missing.d.ts']), /missing\.d\.ts/);
});

test('a word that the glossary has another for is named with its line', () => {
  const rules = [{ word: /\bhost ?pool\b/i, say: 'say drones' }];
  assert.deepEqual(wordBreaches([file('a.ts', 'const a = 1;\nlet hostPool;\n')], rules), [
    'a.ts:2: avoid "hostPool": say drones',
  ]);
});

test('a lint exception without a reason is a breach', () => {
  const directive = 'eslint-disable';
  const good = `// ${directive}-next-line no-console -- the demo prints\n`;
  assert.deepEqual(exceptionBreaches([file('a.ts', good)]), []);
  for (const text of [
    `/* ${directive} */`,
    `a(); // ${directive}-line no-console`,
    `/* ${directive} no-console -- */`,
  ]) {
    assert.equal(exceptionBreaches([file('a.ts', text)]).length, 1, text);
  }
});
