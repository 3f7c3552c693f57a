// Runs the tests with node:test through tsx, and the contract suite once more under Node 24. Arguments choose files by a
// part of their path: `npm test -- ssh/ codec`. Needs dist/, since tests import the package as its users do.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { nodeTest } from './node-test.js';

const SECOND_NODE = 24;
const CONTRACT = 'test/contract/';
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** @param {string} node @param {readonly string[]} files */
function run(node, files) {
  if (!nodeTest(node, files, Math.max(2, availableParallelism()))) process.exitCode = 1;
}

const wanted = process.argv.slice(2);
const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map(path => `test/${path}`)
  .filter(path => path.endsWith('.test.ts') && (wanted.length === 0 || wanted.some(part => path.includes(part))))
  .sort();
const contract = files.filter(path => path.startsWith(CONTRACT));

if (files.length === 0) throw new Error(`no test file has ${wanted.join(' or ')} in its path`);
if (wanted.length === 0 && contract.length === 0) throw new Error(`${CONTRACT} holds no test`);

run(process.execPath, files);
if (contract.length > 0) {
  const { nodeBinary } = await import('../test/support/node-versions.js');
  console.log(`\nThe contract suite under Node ${String(SECOND_NODE)}:`);
  run(await nodeBinary(SECOND_NODE), contract);
}
