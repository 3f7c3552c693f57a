import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import {
  hasLiveMember,
  processesFromProc,
  processesFromPs,
  processGroupOf,
  startFromPs,
  startOf,
} from '../../src/process/process-table.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

async function startSleeper(): Promise<{ pid: number } & AsyncDisposable> {
  const child = spawn('sleep', ['1000'], { argv0: 'a (strange) name', detached: true, stdio: 'ignore' });
  await once(child, 'spawn');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { pid: child.pid ?? 0, [Symbol.asyncDispose]: end };
}

test('/proc and ps tell the same of a process', async () => {
  await using sleeper = await startSleeper();
  const expected = {
    pid: sleeper.pid,
    ppid: process.pid,
    pgid: sleeper.pid,
    comm: 'sleep',
    args: 'a (strange) name 1000',
  };
  for (const processes of [await processesFromProc(), await processesFromPs()]) {
    assert.deepEqual(
      processes.find(({ pid }) => pid === sleeper.pid),
      expected,
    );
    assert.ok(processes.some(({ pid }) => pid === 1));
  }
});

test('the start time distinguishes a process from another one with its number', async () => {
  const sleeper = await startSleeper();
  for (const startOfOne of [startOf, startFromPs]) {
    const start = await startOfOne(sleeper.pid);
    assert.match(start ?? '', /\d/);
    assert.notEqual(start, await startOfOne(1), 'the first process began before');
    assert.equal(await startOfOne(sleeper.pid), start);
  }
  await sleeper[Symbol.asyncDispose]();
  assert.deepEqual([await startOf(sleeper.pid), await startFromPs(sleeper.pid)], [undefined, undefined]);
});

test('a process that has ended but was not reaped is not in the table', async () => {
  // The parent never waits for its child.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
  const zombie = Number(chunk.toString());
  // That it ends is certain; nothing but the table itself tells when it has.
  let processes = await processesFromProc();
  while (processes.some(({ pid }) => pid === zombie)) processes = await processesFromProc();
  assert.ok(!(await processesFromPs()).some(({ pid }) => pid === zombie));
  assert.equal(await processGroupOf(zombie), undefined);
  assert.deepEqual([await startOf(zombie), await startFromPs(zombie)], [undefined, undefined]);
  parent.kill('SIGKILL');
  await once(parent, 'close');
});

test('a group lives as long as one of its members', async () => {
  const sleeper = await startSleeper();
  assert.equal(await processGroupOf(sleeper.pid), sleeper.pid);
  assert.ok(await hasLiveMember(sleeper.pid));
  await sleeper[Symbol.asyncDispose]();
  assert.ok(!(await hasLiveMember(sleeper.pid)));
  assert.equal(await processGroupOf(sleeper.pid), undefined);
});

test('a process that cannot be read for want of files is not taken for one that has ended', async () => {
  const script = fileURLToPath(new URL('./programs/out-of-files.js', import.meta.url));
  const limited = ['-c', 'ulimit -n 200; exec "$@"', 'sh', process.execPath, script];
  const { stdout } = await promisify(execFile)('/bin/sh', limited);
  assert.equal(stdout, 'EMFILE\n');
});
