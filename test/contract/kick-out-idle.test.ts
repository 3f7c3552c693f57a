/** An idle queue that is not closed does not keep the process alive for the sake of a drone that is kicked out. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

const PROGRAM = fileURLToPath(new URL('./programs/kick-out-process.js', import.meta.url));
/** A process that does not end by itself is ended by this, and the test with it, ms. */
const TIMEOUT_MS = 60_000;

/** What the program printed until it ended by itself, with status 0. */
async function output(queue: string, pending: string): Promise<string[]> {
  const args = [PROGRAM, `--queue=${queue}`, `--pending=${pending}`];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  assert.equal(stderr, '');
  return stdout.trim().split('\n');
}

for (const queue of ['serial', 'threaded']) {
  test(`${queue}: a process ends by itself though a drone is to be probed later`, async () => {
    assert.deepEqual(await output(queue, 'timer'), ['unreachable', 'idle']);
  });

  test(`${queue}: a process ends by itself though a probe is under way that stays unanswered`, async () => {
    assert.deepEqual(await output(queue, 'probe'), ['unreachable', 'probed', 'idle']);
  });
}
