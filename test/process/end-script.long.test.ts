import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import test, { type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { endScript, LIVES_ON, type Target } from '../../src/process/end-script.js';
import { execText } from '../../src/queue/transport/ssh/plain/shell-text.js';
import { allGone, isRunning, killGroup } from '../support/processes-left.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

const execute = promisify(execFile);
const SHELLS = ['/bin/sh', '/bin/bash', '/bin/dash'].filter(existsSync);

/** With the process table from /proc, and from ps where there is no /proc. */
const TABLES: Readonly<Record<string, (script: string) => string>> = {
  proc: script => script,
  ps: script => script.replaceAll('/proc/self/stat', '/no/such/file'),
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

/** Ignores TERM under a name that reads like the end of one, and a second line. Its group is that of the shell before it. */
const MISNAMED = [
  'process.title = "a) S 1\\nb";',
  'process.on("SIGTERM", () => undefined);',
  'setInterval(() => undefined, 1000);',
  'console.log(process.ppid, process.pid);',
].join(' ');

for (const shell of SHELLS) {
  for (const table of Object.keys(TABLES)) {
    test(`a line end in its name hides no process from its group: ${shell}, ${table}`, async t => {
      const [pid = 0, misnamed = 0] = await start(t, `'${process.execPath}' -e '${MISNAMED}' & wait`);
      t.after(() => {
        if (isRunning(misnamed)) killGroup(pid);
      });
      assert.match(readFileSync(`/proc/${String(misnamed)}/comm`, 'utf8'), /\n./);
      process.kill(pid, 'SIGKILL');
      await allGone([pid]);
      assert.deepEqual(await end(shell, table, [{ kind: 'command', pid }], 100), [`${String(pid)} gone`]);
      assert(!isRunning(misnamed));
    });
  }
}

/** Stands for an agent, whose loader is of one line, too: what it starts leads groups of its own. */
const AGENT = [
  'const { spawn } = require("node:child_process");',
  'const start = script => spawn("/bin/sh", ["-c", script], { detached: true, stdio: "ignore" }).pid;',
  `const scripts = ["sleep 1000; :", "trap : TERM; sleep 1000; sleep 1000", "${LIVES_ON}\\nsleep 1000; :"];`,
  'console.log(process.pid, ...scripts.map(start));',
  'setInterval(() => undefined, 1000);',
].join(' ');

/** With its pids, and an end to all of them. */
async function startAgent(marker: string): Promise<AsyncDisposable & { readonly pids: readonly number[] }> {
  const child = spawn(process.execPath, ['-e', AGENT, marker], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const pids = line.split(' ').map(Number);
  return {
    pids,
    [Symbol.asyncDispose]: async () => {
      for (const pid of pids) killGroup(pid);
      await allGone(pids);
      child.stdout.destroy();
    },
  };
}

for (const shell of SHELLS) {
  for (const table of Object.keys(TABLES)) {
    test(`a stopped agent is ended with what it runs, but for what is to live on: ${shell}, ${table}`, async () => {
      const marker = 'drone-0123abcd';
      await using agent = await startAgent(marker);
      await using stranger = await startAgent('drone-another');
      const [pid = 0, , , detached = 0] = agent.pids;
      const [otherPid = 0] = stranger.pids;
      process.kill(pid, 'SIGSTOP');
      const targets = [pid, otherPid].map(each => ({ kind: 'agent', pid: each, marker }) as const);
      const said = await end(shell, table, targets, 100);
      assert.deepEqual([...new Set(said)], [`${String(pid)} gone`, `${String(otherPid)} unknown`].sort());
      assert.deepEqual([...agent.pids, ...stranger.pids].filter(isRunning), [detached, ...stranger.pids]);
    });
  }
}

test('an agent that is gone already is not known', async () => {
  const child = spawn('/bin/true');
  await once(child, 'exit');
  const { pid = 0 } = child;
  const said = await end('/bin/sh', 'proc', [{ kind: 'agent', pid, marker: 'drone-0123abcd' }], 1000);
  assert.deepEqual(said, [`${String(pid)} unknown`]);
});

test('a command without a group of its own is ended without the others of that group', async t => {
  const [leader = 0, child = 0] = await start(t, 'sleep 1000 & echo $$ $!; sleep 1000');
  assert.deepEqual(await end('/bin/sh', 'proc', [{ kind: 'command', pid: child }], 60_000), [`${String(child)} gone`]);
  assert(isRunning(leader));
  await end('/bin/sh', 'proc', [{ kind: 'command', pid: leader }], 60_000);
});

for (const shell of SHELLS) {
  for (const table of Object.keys(TABLES)) {
    test(`a command in a shared group is ended with its descendants: ${shell}, ${table}`, async t => {
      const inner = 'sleep 1000 & sh -c "sleep 1000 & echo \\$PPID \\$\\$ \\$! $!; sleep 1000; :"; :';
      const [pid = 0, ...descendants] = await start(t, `sleep 1000 & sh -c '${inner}' & wait`);
      const group = Number(readFileSync(`/proc/${String(pid)}/stat`, 'utf8').split(' ')[4]);
      try {
        assert.notEqual(group, pid);
        const said = await end(shell, table, [{ kind: 'command', pid }], 60_000);
        assert.deepEqual([...new Set(said)], [`${String(pid)} gone`]);
        assert.deepEqual([pid, ...descendants].filter(isRunning), []);
        assert(isRunning(group));
      } finally {
        killGroup(group);
        await allGone([group, pid, ...descendants]);
      }
    });
  }

  test(`an orphan in a shared group leaves the end of a command unknown: ${shell}`, async t => {
    const script = "sh -c 'echo $PPID $$ $(sleep 1000 >/dev/null & echo $!); sleep 1000; :' & wait";
    const [group = 0, pid = 0, orphan = 0] = await start(t, script);
    try {
      const said = await end(shell, 'proc', [{ kind: 'command', pid }], 60_000);
      assert(said.includes(`${String(pid)} unknown`), said.join());
      assert(!isRunning(pid));
      assert(isRunning(orphan));
    } finally {
      killGroup(group);
      await allGone([group, pid, orphan]);
    }
  });
}

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
