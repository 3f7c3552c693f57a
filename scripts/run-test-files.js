// Runs compiled test files with node:test, several at once, each in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** How long one test may take, ms. */
const TEST_TIMEOUT_MS = 300_000;
/** How long a file may take until its process group is killed, ms. */
const FILE_TIMEOUT_MS = 900_000;

/** How long output of a file that has ended may still be on its way, ms. */
const LAST_OUTPUT_MS = 1000;

/**
 * Leaders of the process groups of files that run: a terminal's Ctrl-C reaches only the runner's own group.
 * @type {Set<number>}
 */
const running = new Set();

/** @param {number} pid The leader's. */
function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has just ended by itself.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

const REPORTER = fileURLToPath(new URL('test-report.js', import.meta.url));

/**
 * One file's run.
 * @typedef {object} FileRun
 * @property {string} file
 * @property {number} seconds
 * @property {number} passed How many tests passed.
 * @property {number} failed How many did not.
 * @property {readonly string[]} problems Everything else that makes the file fail, such as a skipped test.
 */

/**
 * Runs the files in their order, prints a line for each and the whole output of those that fail, then a line of sums.
 * @param {string} node Path of the program that runs them.
 * @param {readonly string[]} files
 * @param {number} atOnce
 * @param {(text: string) => void} print
 * @returns {Promise<FileRun[]>} in the order in which the files ended
 */
export async function runTestFiles(node, files, atOnce, print = console.log) {
  const folder = mkdtempSync(join(tmpdir(), 'drone-test-reports-'));
  /** @type {FileRun[]} */
  const runs = [];
  const waiting = [...files.entries()];
  const end = (/** @type {'SIGINT' | 'SIGTERM'} */ signal) => process.exit(128 + constants.signals[signal]);
  const cleanUp = () => {
    for (const pid of running) killGroup(pid);
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', cleanUp).on('SIGINT', end).on('SIGTERM', end);
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [at, file] = next;
      const { run, output } = await runFile(node, file, join(folder, `${String(at)}.json`));
      runs.push(run);
      print(lines(run, output, `${String(runs.length)}/${String(files.length)}`));
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, worker));
  } finally {
    process.off('exit', cleanUp).off('SIGINT', end).off('SIGTERM', end);
    cleanUp();
  }
  print(sums(runs));
  return runs;
}

/** @param {FileRun} run */
export function isGood({ failed, problems }) {
  return failed === 0 && problems.length === 0;
}

/**
 * @param {string} node
 * @param {string} file
 * @param {string} report Path of the report to write.
 */
async function runFile(node, file, report) {
  const startMs = performance.now();
  const args = [
    '--enable-source-maps',
    `--test-timeout=${String(TEST_TIMEOUT_MS)}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${REPORTER}`,
    `--test-reporter-destination=${report}`,
    file,
  ];
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  if (child.pid !== undefined) running.add(child.pid);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text));
  let isTooLate = false;
  const timer = setTimeout(() => {
    isTooLate = true;
    if (child.pid !== undefined) killGroup(child.pid);
  }, FILE_TIMEOUT_MS);
  const closed = once(child, 'close');
  const [code, signal] = await once(child, 'exit');
  if (child.pid !== undefined) running.delete(child.pid);
  clearTimeout(timer);
  // A process that a test left behind may hold the pipes; what the file itself wrote has come by now.
  await Promise.race([closed, delay(LAST_OUTPUT_MS, undefined, { ref: false })]);
  const { passed, failed, problems } = readReport(report);
  if (isTooLate) problems.push(`killed after ${String(FILE_TIMEOUT_MS / 1000)} s`);
  else if (failed === 0 && code !== 0) problems.push(`ended with ${String(signal ?? code)}`);
  const seconds = (performance.now() - startMs) / 1000;
  return { run: { file, seconds, passed, failed, problems }, output };
}

/** @param {string} path @returns {{ passed: number, failed: number, problems: string[] }} */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 0, problems: ['its process ended before its tests did'] };
  }
}

/** @param {FileRun} run @param {string} output @param {string} progress */
function lines(run, output, progress) {
  const { file, seconds, passed, failed, problems } = run;
  const facts = [`${String(passed)} passed`, ...(failed > 0 ? [`${String(failed)} FAILED`] : []), ...problems];
  const sign = isGood(run) ? 'ok    ' : 'FAILED';
  const line = `${sign} ${progress.padStart(7)} ${seconds.toFixed(1).padStart(6)} s  ${file}: ${facts.join(', ')}`;
  return isGood(run) ? line : `${line}\n${output.trimEnd()}\n--- end of the output of ${file}`;
}

/** @param {readonly FileRun[]} runs */
function sums(runs) {
  const bad = runs.filter(run => !isGood(run)).map(({ file }) => `  ${file}\n`);
  const list = bad.length > 0 ? `\nFailed:\n${bad.join('')}` : '';
  const passed = runs.reduce((sum, run) => sum + run.passed, 0);
  const failed = runs.reduce((sum, run) => sum + run.failed, 0);
  return `${list}\n${String(passed)} passed, ${String(failed)} failed`;
}
