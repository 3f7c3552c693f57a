import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const REPORTER = fileURLToPath(new URL('../../scripts/every-file-tests.js', import.meta.url));
const IMPORT = "import { describe, it } from 'node:test';\n";

const RUNS: readonly (readonly [name: string, program: string, says: RegExp])[] = [
  ['a file without a test', 'export {};', /a\.test\.mjs holds no test\nno test ran\n$/],
  ['a file whose suites are all empty', `${IMPORT} describe('some', () => {});`, /^no test ran\n$/],
  ['a skipped test', `${IMPORT} it('rests', { skip: true }, () => {});`, /^skipped: "rests" in .*a\.test\.mjs\n$/],
  [
    'a test yet to be written',
    `${IMPORT} describe('some', () => { it.todo('waits'); });`,
    /^yet to be done: "waits" in .*a\.test\.mjs\n$/,
  ],
];

function run(program: string): { status: number | null; stdout: string } {
  const folder = mkdtempSync(join(tmpdir(), 'every-file-tests-'));
  try {
    writeFileSync(join(folder, 'a.test.mjs'), program);
    // Set by the runner of this very file; the inner runner would take itself for one of its children.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ['--test', `--test-reporter=${REPORTER}`, '--test-reporter-destination=stdout', 'a.test.mjs'];
    return spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const [name, program, says] of RUNS) {
  test(`${name} makes the run fail, and is named`, () => {
    const { status, stdout } = run(program);
    assert.match(stdout, says);
    assert.equal(status, 1);
  });
}

test('a file whose tests all run is left alone', () => {
  const { status, stdout } = run(`${IMPORT} describe('some', () => { it('runs', () => {}); });`);
  assert.equal(stdout, '');
  assert.equal(status, 0);
});
