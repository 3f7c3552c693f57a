import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { leakCheck } from '../../support/leak-check.js';
import { isRunning, killGroup } from '../../support/processes-left.js';
import { startAgent } from './spawn-agent.js';

leakCheck();

/** A shell in a group of its own, once it has printed its children's pids. */
async function startShell(
  script: string,
): Promise<{ child: ChildProcess; pid: number; printed: number[] } & AsyncDisposable> {
  const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  const pid = child.pid ?? 0;
  return {
    child,
    pid,
    printed: chunk.toString().trim().split(' ').map(Number),
    [Symbol.asyncDispose]: async () => {
      killGroup(pid);
      await exited;
      child.stdout.destroy();
    },
  };
}

test('a process is killed with all of its group', async () => {
  await using agent = await startAgent();
  await using shell = await startShell('sleep 1000 & sleep 1000 & echo $!; wait');
  assert.deepEqual(await agent.call('killProcesses', [{ hostname: 'any', pid: shell.pid }]), [
    { pid: shell.pid, killed: true },
  ]);
  assert.ok(!isRunning(shell.pid));
  assert.ok(!isRunning(shell.printed[0] ?? 0));
});

test('a process that does not lead its group takes the group along', async () => {
  await using agent = await startAgent();
  await using shell = await startShell('sleep 1000 & echo $!; wait');
  const [pid = 0] = shell.printed;
  assert.deepEqual(await agent.call('killProcesses', [{ hostname: 'any', pid }]), [{ pid, killed: true }]);
  assert.ok(!isRunning(shell.pid));
});

test('a process that ignores TERM gets KILL', async () => {
  await using agent = await startAgent({ config: { killGraceMs: 50 } });
  await using shell = await startShell('trap "" TERM; echo 1; while :; do sleep 1000; done');
  await agent.call('killProcesses', [{ hostname: 'any', pid: shell.pid }]);
  assert.ok(!isRunning(shell.pid));
});

test("a group whose leader is gone is still killed by the leader's number", async () => {
  await using agent = await startAgent();
  await using shell = await startShell('sleep 1000 </dev/null >/dev/null 2>&1 & echo $!');
  if (shell.child.exitCode === null) await once(shell.child, 'exit');
  const [grandchild = 0] = shell.printed;
  assert.ok(isRunning(grandchild));
  const { pid } = shell;
  assert.deepEqual(await agent.call('killProcesses', [{ hostname: 'any', pid }]), [{ pid, killed: true }]);
  assert.ok(!isRunning(grandchild));
});

test('a process that is gone already counts as killed', async () => {
  await using agent = await startAgent();
  const { stdout } = await agent.call('run', 'echo $$');
  const pid = Number(stdout);
  assert.deepEqual(await agent.call('killProcesses', [{ hostname: 'any', pid }]), [{ pid, killed: true }]);
});

test('one process named twice is killed once, and answers come in the order asked', async () => {
  await using agent = await startAgent();
  await using one = await startShell('echo 1; exec sleep 1000');
  await using two = await startShell('echo 1; exec sleep 1000');
  const list = [one.pid, two.pid, one.pid].map(pid => ({ hostname: 'any', pid }));
  const killed = await agent.call('killProcesses', list);
  assert.deepEqual(
    killed,
    list.map(({ pid }) => ({ pid, killed: true })),
  );
});

test('the agent itself, the first process and invalid pids are left alone, with a warning', async () => {
  await using agent = await startAgent();
  const pids = [agent.pid, 1, 0, -1, -agent.pid];
  const answers = await agent.call(
    'killProcesses',
    pids.map(pid => ({ hostname: 'any', pid })),
  );
  assert.deepEqual(
    answers,
    pids.map(pid => ({ pid, killed: false })),
  );
  assert.equal(agent.warnings().length, pids.length);
  assert.match(String(agent.warnings()[0]), /process \d+ was not killed/);
});

test('an empty list is fine', async () => {
  await using agent = await startAgent();
  assert.deepEqual(await agent.call('killProcesses', []), []);
});

test('arguments that make no sense are refused by name', async () => {
  await using agent = await startAgent();
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /killProcesses: list is undefined, expected a list/],
    [[5], /killProcesses: list\[0\] is 5/],
    [[{ hostname: 'a', pid: '5' }], /killProcesses: list\[0\]\.pid is '5', expected an integer/],
    [[{ hostname: 'a', pid: NaN }], /list\[0\]\.pid is NaN/],
  ];
  for (const [list, message] of cases) {
    const error = await agent.fail('killProcesses', list);
    assert.match(error.message, message);
    assert.equal(error.code, 'ERR_INVALID_ARG');
  }
});
