// Runs examples of the packed package, as its users do, and compares what they print with examples/expected/.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mismatch } from './expected-output.js';

const EXAMPLES = new URL('../examples/', import.meta.url);
const EXPECTED = new URL('expected/', EXAMPLES);

/** @param {URL} folder @param {string} ending */
function namesIn(folder, ending) {
  const files = readdirSync(folder).filter(name => name.endsWith(ending));
  return files.map(name => name.slice(0, -ending.length)).sort();
}

/** Throws for expected output of no example. */
export function exampleNames() {
  const names = namesIn(EXAMPLES, '.ts');
  const orphans = namesIn(EXPECTED, '.txt').filter(name => !names.includes(name));
  if (orphans.length > 0) throw new Error(`expected output of no example: ${orphans.join(', ')}`);
  return names;
}

/**
 * What is wrong with an example's output, in words; undefined when nothing is.
 * @param {import('./empty-project.js').EmptyProject} project
 * @param {string} name
 */
export function problemOfExample(project, name) {
  const program = join('node_modules', 'drone-task-queue', 'dist', 'examples', `${name}.js`);
  const { failure, stdout, stderr } = project.node([program]);
  const problem = failure ?? mismatch(readFileSync(new URL(`${name}.txt`, EXPECTED), 'utf8'), stdout);
  return problem === undefined ? undefined : `${name}: ${problem}\n--- stdout\n${stdout}--- stderr\n${stderr}---`;
}
