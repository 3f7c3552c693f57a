import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { isGood, runTestFiles } from '../../scripts/run-test-files.js';
import { isRunning } from '../support/processes-left.js';
import { until } from '../support/until.js';

const IMPORT = "import test, { describe, it } from 'node:test';\n";

interface Sums {
  readonly passed: number;
  readonly failed: number;
  readonly problems: readonly string[];
}

const RUNS: readonly (readonly [name: string, program: string, sums: Sums])[] = [
  [
    'a file without a test',
    'export {};',
    { passed: 0, failed: 0, problems: ['its process ended before its tests did'] },
  ],
  [
    'a file whose suites are all empty',
    "describe('some', () => {});",
    { passed: 0, failed: 0, problems: ['holds no test'] },
  ],
  [
    'a skipped test',
    "it('rests', { skip: true }, () => {});",
    { passed: 1, failed: 0, problems: ['skipped: "rests"'] },
  ],
  [
    'a test that is not written yet',
    "describe('some', () => { it.todo('waits'); });",
    { passed: 1, failed: 0, problems: ['not written yet: "waits"'] },
  ],
  [
    'a test that fails among others',
    "test('a', () => {}); test('b', () => { throw new Error('no'); });",
    { passed: 1, failed: 1, problems: [] },
  ],
  [
    'a process that exits before its tests end',
    "test('a', () => process.exit(0));",
    { passed: 0, failed: 0, problems: ['its process ended before its tests did'] },
  ],
  [
    'a process that is killed',
    "test('a', () => process.kill(process.pid, 'SIGKILL'));",
    { passed: 0, failed: 0, problems: ['its process ended before its tests did', 'ended with SIGKILL'] },
  ],
];

async function run(program: string): Promise<Sums & { readonly isGood: boolean }> {
  const folder = mkdtempSync(join(tmpdir(), 'test-report-'));
  const file = join(folder, 'a.test.mjs');
  // Set by the runner of this very file; the inner one would take itself for one of its children.
  const { NODE_TEST_CONTEXT: context } = process.env;
  delete process.env['NODE_TEST_CONTEXT'];
  try {
    writeFileSync(file, IMPORT + program);
    const [result] = await runTestFiles(process.execPath, [file], 1, () => undefined);
    assert(result);
    const { passed, failed, problems } = result;
    return { passed, failed, problems, isGood: isGood(result) };
  } finally {
    if (context !== undefined) process.env['NODE_TEST_CONTEXT'] = context;
    rmSync(folder, { recursive: true });
  }
}

for (const [name, program, sums] of RUNS) {
  test(`${name} makes the run fail`, async () => {
    assert.deepEqual(await run(program), { ...sums, isGood: false });
  });
}

test('a signal to the runner ends the processes of its files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'test-report-'));
  try {
    const hanging = join(folder, 'a.test.mjs');
    const pidFile = join(folder, 'pid');
    const source = `import { writeFileSync, renameSync } from 'node:fs';
      writeFileSync('${pidFile}.part', String(process.pid)); renameSync('${pidFile}.part', '${pidFile}');
      test('hangs', () => new Promise(() => setInterval(() => {}, 1000)));`;
    writeFileSync(hanging, IMPORT + source);
    const runner = new URL('../../scripts/run-test-files.js', import.meta.url).href;
    const program = `await (await import('${runner}')).runTestFiles(process.execPath, ['${hanging}'], 1)`;
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { env, stdio: 'ignore' });
    await until(() => existsSync(pidFile));
    const pid = Number(readFileSync(pidFile, 'utf8'));
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [143, null]);
    await until(() => !isRunning(pid));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a file whose tests all pass is good', async () => {
  const program = "describe('some', () => { it('runs', () => {}); });";
  assert.deepEqual(await run(program), { passed: 1, failed: 0, problems: [], isGood: true });
});
