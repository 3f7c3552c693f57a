// Runs the fault suite alone, prints its table, and writes docs/faults.md from the run. Fails, and writes nothing, when a
// test failed or a row has none. Needs dist/, since tests import the package as its users do.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileTests } from './compile-tests.js';
import { faultTable, missingRows } from './fault-table.js';
import { isGood, runTestFiles } from './run-test-files.js';

const FOLDER = 'dist-test/faults/';
const PAGE = 'docs/faults.md';
/** More would measure each other. */
const FILES_AT_ONCE = 2;

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** @returns {Promise<{ isWell: boolean, reports: import('./fault-table.js').FaultReport[] }>} */
async function runSuite() {
  await compileTests();
  const names = readdirSync(FOLDER).filter(name => name.endsWith('.test.js'));
  const folder = mkdtempSync(join(tmpdir(), 'faults-'));
  try {
    const path = join(folder, 'reports');
    process.env['DRONE_FAULT_REPORTS'] = path;
    const files = names.map(name => FOLDER + name);
    const runs = await runTestFiles(process.execPath, files, FILES_AT_ONCE);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    return { isWell: runs.every(isGood), reports: lines.map(line => JSON.parse(line)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} table */
function page(table) {
  const [cpu] = cpus();
  const machine = [
    `${String(cpus().length)} × ${cpu?.model.trim() || 'unknown processor'}`,
    `${String(Math.round(totalmem() / 2 ** 30))} GiB`,
    `${type()} ${release()}`,
    `Node ${process.version}`,
  ].join(', ');
  return `# What happens when things go wrong

Each line of this table is a test that makes the fault happen: on a real OpenSSH server where SSH is concerned, and on this
machine as a drone where that applies. Beside the drone at fault healthy ones are at work in the same round of the same
queue, and wherever the round goes on all of their results are complete and right. Each test holds the queue to what its
line says, down to the calls in each list of the failure, and to five times the time that is promised.

\`npm run faults\`, in a clone of the repository, runs them all, prints the table and writes this page.

- "Back" is back at the front of the drone's queue, to run in the next round. What is not is left to the caller.
- \`completed\`, \`call\`, \`mayHaveRun\` and \`notStarted\` are fields of the drone's \`DroneError\`. The README says what each
  kind of failure means.
- "At once" is as soon as it has come to the scheduler. Times are until the drone's failure is known (event
  \`workerException\`); \`execute\` tells of it when the round has ended.
- In brackets is the promised time with the limits of the test, which are shorter than the defaults: connect time-out 10 s,
  call time-out 600 s, round deadline 900 s, kill grace 2 s, keepalive 15 s × (3 + 1), thread watchdog 10 s and a quarter.
  Where several could end a call, the first to pass names it: by default the call's own, and of a link that lets nothing
  through the keepalive (\`lost\`).
- "Took" is what this run took from the start of the wait to its end, starting and ending processes on the way; where no
  failure is to be seen, it is the whole round.

${new Date().toISOString().slice(0, 10)}, ${machine}.

${table}`;
}

const { isWell, reports } = await runSuite();
const table = faultTable(reports);
const missing = missingRows(reports);
console.log(`\n${table}`);
if (missing.length > 0) console.log(`No test has passed for row ${missing.join(', ')}.`);
if (isWell && missing.length === 0) {
  mkdirSync('docs', { recursive: true });
  writeFileSync(PAGE, page(table));
  console.log(`Written: ${PAGE}`);
} else {
  process.exitCode = 1;
}
