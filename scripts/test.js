// Compiles the tests and runs them. Needs dist/, since tests import the package as its users do.
//
//   npm test                   what decides whether the package works: all files but *.long.test.ts
//   npm run test:full          all files, and the contract suite under other versions of Node
//   npm run test:full -- --rest     the same without the files that npm test has run just before
//   npm test -- ssh/ codec     the files, long ones included, with such a part in their path
//   npm run test:full -- --record   writes how long each file took to test/durations.json
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileTests } from './compile-tests.js';
import { nodeBinary } from './node-versions.js';
import { isGood, runTestFiles } from './run-test-files.js';

const OUT = 'dist-test/';
const CONTRACT = 'contract/';
const LONG = '.long.test.js';
const DURATIONS = 'test/durations.json';
/** Under the Node that runs this, the suite runs anyway. */
const OTHER_NODES = [22, 24, 26];
/** Tests wait more than they compute. */
const FILES_PER_CPU = 3;

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { values, positionals } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    rest: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const { full, rest, record } = values;

function wantedFiles() {
  if (positionals.length > 0) return compiledFiles().filter(path => positionals.some(part => path.includes(part)));
  return compiledFiles().filter(path => (path.endsWith(LONG) ? full : !rest));
}

/** All of them, as paths in OUT. */
function compiledFiles() {
  return readdirSync(OUT, { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.test.js'));
}

/** Those that take longest come first, as do those whose time is not known, so that none is left over at the end. */
function longestFirst(/** @type {readonly string[]} */ paths) {
  /** @type {Readonly<Record<string, number>>} */
  const seconds = JSON.parse(readFileSync(DURATIONS, 'utf8'));
  const of = (/** @type {string} */ path) => seconds[path.replace(/\.js$/, '.ts')] ?? Infinity;
  return [...paths].sort((a, b) => (of(a) === of(b) ? a.localeCompare(b) : of(b) - of(a))).map(path => OUT + path);
}

/** @param {readonly import('./run-test-files.js').FileRun[]} runs */
function writeDurations(runs) {
  const rows = runs.map(({ file, seconds }) => [
    file.slice(OUT.length).replace(/\.js$/, '.ts'),
    Math.round(seconds * 10) / 10,
  ]);
  writeFileSync(DURATIONS, `${JSON.stringify(Object.fromEntries(rows.sort()), undefined, 2)}\n`);
}

await compileTests();
const files = longestFirst(wantedFiles());
if (files.length === 0) throw new Error(`no test file has ${positionals.join(' or ')} in its path`);

const runFolder = mkdtempSync(join(tmpdir(), 'drone-test-run-'));
process.env['DRONE_TEST_RUN'] = runFolder;
process.on('exit', () => rmSync(runFolder, { recursive: true, force: true }));

const atOnce = FILES_PER_CPU * Math.max(2, availableParallelism());
const runs = await runTestFiles(process.execPath, files, atOnce);
if (!runs.every(isGood)) process.exitCode = 1;
else if (record) writeDurations(runs);

if (full && positionals.length === 0) {
  const contract = longestFirst(compiledFiles().filter(path => path.startsWith(CONTRACT)));
  for (const major of OTHER_NODES) {
    console.log(`\nThe contract suite under Node ${String(major)}:`);
    const others = await runTestFiles(nodeBinary(major), contract, atOnce);
    if (!others.every(isGood)) process.exitCode = 1;
  }
}
