import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import test, { type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { endScript, type Target } from '../../../src/ssh/plain/end-script.js';
import { execText } from '../../../src/ssh/plain/shell-text.js';
import { isRunning } from '../../agent/processes-left.js';
import { leakCheck } from '../../leak-check.js';

leakCheck();

const execute = promisify(execFile);
const SHELLS = ['/bin/sh', '/bin/bash', '/bin/dash'].filter(existsSync);

/** With the process table from /proc, and from ps where there is no /proc. */
const TABLES: Readonly<Record<string, (script: string) => string>> = {
  proc: script => script,
  ps: script => script.replace('/proc/self/stat', '/no/such/file'),
};

/** Starts a script as the leader of a group of its own; gives the pids that it prints on its first line. */
async function start(t: TestContext, script: string): Promise<number[]> {
  const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => {
    child.stdout.destroy();
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return line.split(' ').map(Number);
}

async function end(shell: string, table: string, targets: readonly Target[], graceMs: number): Promise<string[]> {
  const script = TABLES[table]?.(endScript(targets, graceMs)) ?? '';
  const { stdout } = await execute(shell, ['-c', script]);
  return stdout.trim().split('\n').sort();
}

for (const shell of SHELLS) {
  for (const table of Object.keys(TABLES)) {
    test(`a group that ignores TERM is ended to the last child: ${shell}, ${table}`, async t => {
      const pids = await start(t, 'trap "" TERM; sleep 1000 & echo $$ $!; sleep 1000');
      const [pid = 0] = pids;
      assert.deepEqual(await end(shell, table, [{ kind: 'command', pid }], 100), [`${String(pid)} gone`]);
      assert.deepEqual(pids.filter(isRunning), []);
    });
  }

  test(`several are ended at once, by whatever member of their group they are named: ${shell}`, async t => {
    const [leader = 0, child = 0] = await start(t, 'sleep 1000 & echo $$ $!; wait');
    const [other = 0, orphan = 0] = await start(t, 'sleep 1000 & echo $$ $!');
    const targets = [
      { kind: 'any', pid: child },
      { kind: 'any', pid: orphan },
      { kind: 'any', pid: 1 },
    ] as const;
    assert.deepEqual(
      await end(shell, 'proc', targets, 60_000),
      [`${String(child)} gone`, `${String(orphan)} gone`, '1 system'].sort(),
    );
    assert.deepEqual([leader, child, other, orphan].filter(isRunning), []);
  });
}

test('a command without a group of its own is ended without the others of that group', async t => {
  const [leader = 0, child = 0] = await start(t, 'sleep 1000 & echo $$ $!; sleep 1000');
  assert.deepEqual(await end('/bin/sh', 'proc', [{ kind: 'command', pid: child }], 60_000), [`${String(child)} gone`]);
  assert(isRunning(leader));
  await end('/bin/sh', 'proc', [{ kind: 'command', pid: leader }], 60_000);
});

test('a process that is gone already is gone', async () => {
  const child = spawn('/bin/true');
  await once(child, 'exit');
  const { pid = 0 } = child;
  assert.deepEqual(await end('/bin/sh', 'proc', [{ kind: 'any', pid }], 1000), [`${String(pid)} gone`]);
});

test('the script for a dozen processes is short enough to go with the start of its shell', () => {
  const targets = Array.from({ length: 12 }, (_, at) => ({ kind: 'any', pid: 4_000_000 + at }) as const);
  assert.equal(execText({ script: endScript(targets, 2000) }).input, undefined);
});
