// Runs each example alone, against the packed package in an empty project, and compares what it prints with
// examples/expected/. Arguments choose examples by a part of their name.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { EmptyProject } from './empty-project.js';
import { mismatch } from './expected-output.js';

const EXAMPLES = new URL('../examples/', import.meta.url);
const EXPECTED = new URL('expected/', EXAMPLES);

/** @param {URL} folder @param {string} ending */
function namesIn(folder, ending) {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter(name => name.endsWith(ending));
  return files.map(name => name.slice(0, -ending.length)).sort();
}

const wanted = process.argv.slice(2);
const all = namesIn(EXAMPLES, '.ts');
const names = all.filter(name => wanted.length === 0 || wanted.some(part => name.includes(part)));
if (names.length === 0) throw new Error('no example to run');
const orphans = namesIn(EXPECTED, '.txt').filter(name => !all.includes(name));
if (orphans.length > 0) throw new Error(`expected output of no example: ${orphans.join(', ')}`);

const project = new EmptyProject();
try {
  for (const name of names) {
    project.write(`${name}.ts`, readFileSync(new URL(`${name}.ts`, EXAMPLES), 'utf8'));
  }
  for (const name of names) {
    const { failure, stdout, stderr } = project.node(['--import=tsx', `${name}.ts`]);
    const problem = failure ?? mismatch(readFileSync(new URL(`${name}.txt`, EXPECTED), 'utf8'), stdout);
    console.log(`${problem === undefined ? 'ok    ' : 'FAILED'} ${name}`);
    if (problem === undefined) continue;
    process.exitCode = 1;
    console.log(`${name}: ${problem}\n--- stdout\n${stdout}--- stderr\n${stderr}---`);
  }
} finally {
  project.remove();
}
