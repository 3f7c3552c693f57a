/** What readers copy needs no cast: neither the blocks of the docs nor the examples. `npm run types` compiles both. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import ts from 'typescript';
import { docBlocks } from '../../scripts/doc-blocks.js';
import { ROOT } from '../../scripts/docs/source.js';

const EXAMPLES = new URL('examples/', ROOT);

/** Casts other than `as const`, `any` and non-null assertions, by line. */
function castsIn(title: string, text: string): string[] {
  const source = ts.createSourceFile(title, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isConst = ts.isAsExpression(node) && node.type.getText() === 'const';
    const isCast = ts.isAssertionExpression(node) && !isConst;
    if (isCast || ts.isNonNullExpression(node) || node.kind === ts.SyntaxKind.AnyKeyword) {
      found.push(`${title}: ${node.getText().split('\n', 1)[0] ?? ''}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

test('a cast, any and a non-null assertion are found, and as const is fine', () => {
  const found = castsIn('page', 'const a = b as C;\nlet x: any;\nf(y!);\nconst d = [1] as const;');
  assert.deepEqual(found, ['page: b as C', 'page: any', 'page: y!']);
});

test('no block of the docs has a cast', () => {
  const blocks = docBlocks();
  assert.ok(blocks.length > 20);
  assert.deepEqual(
    blocks.flatMap(({ title, text }) => castsIn(title, text)),
    [],
  );
});

test('no example has a cast', () => {
  const files = readdirSync(EXAMPLES).filter(name => name.endsWith('.ts'));
  assert.deepEqual(
    files.flatMap(name => castsIn(name, readFileSync(new URL(name, EXAMPLES), 'utf8'))),
    [],
  );
});
