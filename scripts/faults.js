// Runs the fault suite alone, prints its table, and writes docs/faults.md from the run. Fails and writes nothing if a test
// failed or a row has none. Needs dist/, since tests import the package as its users do.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileTests } from './compile-tests.js';
import { PAGE, pageOf } from './docs/faults.js';
import { filled } from './docs/source.js';
import { faultTable, missingRows } from './fault-table.js';
import { isGood, runTestFiles } from './run-test-files.js';

const DIRECTORY = 'dist-test/faults/';
/** More would measure each other. */
const FILES_AT_ONCE = 2;

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** @returns {Promise<{ isWell: boolean, reports: import('./fault-table.js').FaultReport[] }>} */
async function runSuite() {
  await compileTests();
  const names = readdirSync(DIRECTORY).filter(name => name.endsWith('.test.js'));
  const directory = mkdtempSync(join(tmpdir(), 'faults-'));
  try {
    const path = join(directory, 'reports');
    process.env['DRONE_FAULT_REPORTS'] = path;
    const files = names.map(name => DIRECTORY + name);
    const runs = await runTestFiles(process.execPath, files, FILES_AT_ONCE);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    return { isWell: runs.every(isGood), reports: lines.map(line => JSON.parse(line)) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Date and machine, then the table. @param {string} table */
function runOf(table) {
  const [cpu] = cpus();
  const machine = [
    `${String(cpus().length)} × ${cpu?.model.trim() || 'unknown processor'}`,
    `${String(Math.round(totalmem() / 2 ** 30))} GiB`,
    `${type()} ${release()}`,
    `Node ${process.version}`,
  ].join(', ');
  return `${new Date().toISOString().slice(0, 10)}, ${machine}.\n\n${table}`;
}

const { isWell, reports } = await runSuite();
const table = faultTable(reports);
const missing = missingRows(reports);
console.log(`\n${table}`);
if (missing.length > 0) console.log(`No test has passed for row ${missing.join(', ')}.`);
if (isWell && missing.length === 0) {
  writeFileSync(PAGE, filled(pageOf(runOf(table))));
  console.log(`Written: ${PAGE}`);
} else {
  process.exitCode = 1;
}
