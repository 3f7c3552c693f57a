/** Rule 14: an idle queue that is not closed does not keep the process alive, a round in flight does. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startSshServer } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

const PROGRAM = fileURLToPath(new URL('./programs/idle-process.js', import.meta.url));
/** A process that does not end by itself is ended by this, and the test with it, ms. */
const TIMEOUT_MS = 60_000;

/** What the program printed until it ended by itself, with status 0. */
async function output(...args: readonly string[]): Promise<string[]> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [PROGRAM, ...args], {
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  assert.equal(stderr, '');
  return stdout.trim().split('\n');
}

for (const queue of ['serial', 'threaded']) {
  for (const drone of ['fake', 'local', 'ssh']) {
    test(`${queue}: a process with a warm ${drone} drone in an idle queue ends by itself`, async () => {
      await using server = await startSshServer();
      const args = [`--queue=${queue}`, `--drone=${drone}`, `--ssh=${JSON.stringify(server.droneOptions())}`];
      assert.deepEqual(await output(...args), ['true: 1', 'true: 1', 'idle']);
      assert.equal(server.connects, drone === 'ssh' ? 1 : 0);
    });
  }

  test(`${queue}: a process in mid-round stays until the round has ended`, async () => {
    await using server = await startSshServer();
    const drones = ['--drone=fake', '--drone=local', '--drone=ssh', `--ssh=${JSON.stringify(server.droneOptions())}`];
    const printed = await output(`--queue=${queue}`, '--held', ...drones);
    assert.deepEqual(printed, ['true: 3', 'true: 3', 'sleep 0.5: 3', 'told', 'idle']);
  });

  test(`${queue}: a process whose last round is done ends by itself though that round was not awaited`, async () => {
    assert.deepEqual(await output(`--queue=${queue}`, '--drone=fake', '--unfetched'), ['true: 1', 'true: 1', 'idle']);
  });

  test(`${queue}: a process whose queue was never used ends by itself`, async () => {
    assert.deepEqual(await output(`--queue=${queue}`), ['true: 0', 'true: 0', 'idle']);
  });
}
