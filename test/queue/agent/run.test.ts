import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { execFileSync } from 'node:child_process';
import type { Cancelled, OutputSink } from '../../../src/queue/agent/call-context.js';
import { run } from '../../../src/queue/agent/run.js';
import { OUTPUT_LIMITS } from '../../../src/queue/wire/credits.js';
import type { RunResult } from '../../../src/queue/wire/methods.js';
import { FrameType } from '../../../src/queue/wire/messages.js';
import { leakCheck } from '../../support/leak-check.js';
import { until } from '../../support/until.js';
import { allGone, isRunning, temporaryFolder } from '../../support/processes-left.js';
import { startAgent, type TestAgent } from './spawn-agent.js';

leakCheck();

const { windowBytes, pieceBytes } = OUTPUT_LIMITS;

/** Most memory that a process has had resident, bytes. */
function peakMemory(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]) * 1024;
}

function outputOf(agent: TestAgent, stream: number): string {
  const texts = agent.replies.filter(({ type }) => type === FrameType.Output).map(({ value }) => value);
  return (texts as { stream: number; text: string }[]).map(each => (each.stream === stream ? each.text : '')).join('');
}

test('a command gives its exit code and both streams', async () => {
  await using agent = await startAgent();
  const result = await agent.call('run', 'echo out; echo err >&2; exit 3');
  const { durationMs, ...rest } = result;
  assert.deepEqual(rest, {
    exitCode: 3,
    signal: null,
    stdout: 'out\n',
    stderr: 'err\n',
    truncated: false,
    totalBytes: { stdout: 4, stderr: 4 },
  });
  assert.ok(durationMs >= 0);
});

test('a command that a signal ended has no exit code', async () => {
  await using agent = await startAgent();
  const { exitCode, signal } = await agent.call('run', 'kill -9 $$');
  assert.deepEqual({ exitCode, signal }, { exitCode: null, signal: 'SIGKILL' });
});

test('a command reads what it is given on stdin, and nothing when nothing is given', async () => {
  await using agent = await startAgent();
  assert.equal((await agent.call('run', 'cat', { stdin: 'some text' })).stdout, 'some text');
  assert.equal((await agent.call('run', 'od -An -tx1', { stdin: Uint8Array.of(0, 255) })).stdout.trim(), '00 ff');
  assert.equal((await agent.call('run', 'cat')).stdout, '');
});

test('a command need not read its stdin', async () => {
  await using agent = await startAgent();
  assert.equal((await agent.call('run', 'exec <&-; echo done', { stdin: 'x'.repeat(4_000_000) })).stdout, 'done\n');
  assert.deepEqual(agent.warnings(), []);
});

test('a command runs in the folder and with the variables it is given, over those of the agent', async t => {
  const folder = realpathSync(await temporaryFolder(t));
  await using agent = await startAgent({ config: { env: { ONE: 'agent', TWO: 'agent' } } });
  const { stdout } = await agent.call('run', 'pwd; echo $ONE $TWO', { cwd: folder, env: { TWO: 'call' } });
  assert.equal(stdout, `${folder}\nagent call\n`);
});

test('a folder that does not exist is an error that names it and keeps the code', async () => {
  await using agent = await startAgent();
  const error = await agent.fail('run', 'true', { cwd: '/no/such/folder' });
  assert.match(error.message, /working directory \/no\/such\/folder/);
  assert.equal(error.code, 'ENOENT');
});

test('a command too long for the system is an error with its code', async () => {
  await using agent = await startAgent();
  assert.equal((await agent.fail('run', `: ${'x'.repeat(4_000_000)}`)).code, 'E2BIG');
});

test('of long output head and tail are kept, and all of it is counted', async () => {
  await using agent = await startAgent();
  const command = 'printf start; head -c 100000 /dev/zero | tr "\\0" x; printf end; printf 12345 >&2';
  const { stdout, stderr, truncated, totalBytes } = await agent.call('run', command, { maxOutputBytes: 20 });
  assert.equal(stdout, 'startxxxxx\n[… 99988 bytes left out …]\nxxxxxxxend');
  assert.equal(stderr, '12345');
  assert.equal(truncated, true);
  assert.deepEqual(totalBytes, { stdout: 100_008, stderr: 5 });
});

test('one mebibyte of each stream is kept when nothing else is said', async () => {
  await using agent = await startAgent();
  const { stdout, totalBytes } = await agent.call('run', 'head -c 1048577 /dev/zero');
  assert.match(stdout, /\n\[… 1 bytes left out …\]\n/);
  assert.equal(totalBytes.stdout, 1_048_577);
});

test('memory stays flat however much a command writes', async () => {
  await using agent = await startAgent();
  await agent.call('run', 'yes | head -c 4000000');
  const before = peakMemory(agent.pid);
  const { totalBytes } = await agent.call('run', 'yes | head -c 300000000');
  assert.equal(totalBytes.stdout, 300_000_000);
  assert.ok(peakMemory(agent.pid) - before < 100_000_000, `${String(peakMemory(agent.pid) - before)} bytes more`);
});

test('a grandchild that keeps stdout open does not keep the call', async () => {
  await using agent = await startAgent();
  const { stdout, exitCode } = await agent.call('run', 'sleep 1000 & echo $!');
  assert.equal(exitCode, 0);
  const pid = Number(stdout);
  assert.ok(isRunning(pid));
  process.kill(pid, 'SIGKILL');
});

test('output is sent while the command runs, when it is asked for', async t => {
  const gate = join(await temporaryFolder(t), 'gate');
  execFileSync('mkfifo', [gate]);
  await using agent = await startAgent();
  const command = `echo first; echo problem >&2; cat ${gate}`;
  agent.sendCall(1, 0, 'run', [command, { maxOutputBytes: 100 }], { streams: true });
  await agent.next(FrameType.Output, ({ value }) => (value as { stream: number }).stream === 1);
  await agent.next(FrameType.Output, ({ value }) => (value as { stream: number }).stream === 2);
  assert.ok(!agent.replies.some(({ type }) => type === FrameType.Value));
  const writer = await open(gate, 'w');
  await writer.write('second\n');
  await writer.close();
  const { stdout } = (await agent.value(1, 0)) as { stdout: string };
  assert.equal(stdout, 'first\nsecond\n');
  assert.equal(outputOf(agent, 1), stdout);
  assert.equal(outputOf(agent, 2), 'problem\n');
});

test('no output frames are sent unasked', async () => {
  await using agent = await startAgent();
  await agent.call('run', 'echo hello');
  assert.ok(!agent.replies.some(({ type }) => type === FrameType.Output));
});

test('a command waits for a link that is behind, and nothing it wrote is lost', async t => {
  const gate = join(await temporaryFolder(t), 'gate');
  execFileSync('mkfifo', [gate]);
  await using agent = await startAgent();
  const before = peakMemory(agent.pid);
  agent.child.stdout?.pause();
  // The second call, a batch of its own, shows when the agent has had every chance to read the first one's output.
  agent.sendCall(1, 0, 'run', ['yes | head -c 100000000; exit 5'], { streams: true });
  agent.sendCall(2, 0, 'run', [`head -c 50000000 /dev/zero | wc -c >${gate}`]);
  const reader = await open(gate, 'r');
  assert.equal((await reader.readFile('utf8')).trim(), '50000000');
  await reader.close();
  assert.ok(peakMemory(agent.pid) - before < 40_000_000, `${String(peakMemory(agent.pid) - before)} bytes more`);
  agent.child.stdout?.resume();
  const { exitCode, totalBytes } = (await agent.value(1, 0)) as { exitCode: number; totalBytes: { stdout: number } };
  assert.equal(exitCode, 5);
  assert.equal(totalBytes.stdout, 100_000_000);
  assert.equal(outputOf(agent, 1).length, 100_000_000);
});

test('of output that is streamed nothing is kept but what is asked for, and all of it is counted', async () => {
  await using agent = await startAgent();
  const streamed = async (command: string, options: object): Promise<RunResult> => {
    const batch = agent.newBatch();
    agent.sendCall(batch, 0, 'run', [command, options], { streams: true });
    return (await agent.value(batch, 0)) as RunResult;
  };
  const facts = ({ stdout, stderr, truncated, totalBytes }: RunResult): unknown[] => {
    return [stdout, stderr, truncated, totalBytes.stdout, totalBytes.stderr];
  };
  assert.deepEqual(facts(await streamed('echo out; echo err >&2', {})), ['', '', true, 4, 4]);
  assert.deepEqual(facts(await streamed('true', {})), ['', '', false, 0, 0]);
  assert.deepEqual(facts(await streamed('echo out; echo err >&2', { maxOutputBytes: 4 })), [
    'out\n',
    'err\n',
    false,
    4,
    4,
  ]);
});

test('unconsumed output stops the command at one window, and goes on with each credit', async () => {
  await using agent = await startAgent({ credits: false });
  const sentBytes = (): number => outputOf(agent, 1).length + outputOf(agent, 2).length;
  const more = async (bytes: number): Promise<void> => {
    for (const before = sentBytes(); sentBytes() - before < bytes;) await agent.settle();
  };
  agent.sendCall(1, 0, 'run', ['yes & exec yes no >&2'], { streams: true });
  // No fuller than this: the next piece might not fit any more.
  await more(windowBytes - pieceBytes);
  // Time enough for more, were it allowed.
  await agent.call('run', 'head -c 20000000 /dev/zero');
  for (let credits = 0; credits < 3; credits++) {
    const heldBytes = sentBytes() - credits * pieceBytes;
    assert.ok(heldBytes <= windowBytes, `${String(heldBytes)} bytes are ahead`);
    agent.credit(1, 0, pieceBytes);
    await more(1);
  }
  agent.credit(1, 7, 1_000_000_000);
  agent.credit(99, 0, 1_000_000_000);
  await agent.call('run', 'head -c 20000000 /dev/zero');
  assert.ok(sentBytes() <= windowBytes + 3 * pieceBytes);
  agent.cancel(1, 0);
  assert.equal((await agent.failure(1, 0)).kind, 'cancelled');
});

test('what a command wrote before its exit is sent however late it is consumed, and not before', async () => {
  await using agent = await startAgent({ credits: false });
  const command = 'echo $$; head -c 150000 /dev/zero & head -c 150000 /dev/zero >&2; wait';
  agent.sendCall(1, 0, 'run', [command], { streams: true });
  const first = await agent.next(FrameType.Output, ({ value }) => (value as { stream: number }).stream === 1);
  const pid = String(parseInt((first.value as { text: string }).text));
  await agent.call('run', `while test -d /proc/${pid}; do sleep 0.01; done; head -c 20000000 /dev/zero`);
  const sentBytes = (): number => outputOf(agent, 1).length + outputOf(agent, 2).length;
  assert.ok(sentBytes() <= windowBytes, `${String(sentBytes())} bytes are ahead`);
  const totalBytes = 300_001 + pid.length;
  for (let creditedBytes = 0; creditedBytes < totalBytes;) {
    await agent.settle();
    const bytes = Math.min(5000, sentBytes() - creditedBytes);
    creditedBytes += bytes;
    agent.credit(1, 0, bytes);
  }
  const result = (await agent.value(1, 0)) as RunResult;
  assert.deepEqual(result.totalBytes, { stdout: 150_001 + pid.length, stderr: 150_000 });
});

test('a grandchild that floods stdout after the exit does not keep the call', async () => {
  await using agent = await startAgent();
  agent.sendCall(1, 0, 'run', ['yes & echo $! >&2'], { streams: true });
  assert.equal(((await agent.value(1, 0)) as RunResult).exitCode, 0);
  const reply = await agent.next(FrameType.Output, ({ value }) => (value as { stream: number }).stream === 2);
  // It lives on, as its output is read by another process then.
  const pid = Number((reply.value as { text: string }).text);
  assert(isRunning(pid));
  process.kill(pid, 'SIGKILL');
  await allGone([pid]);
});

test('a cancelled command gets TERM, and its output so far is sent', async () => {
  await using agent = await startAgent({ config: { killGraceMs: 60_000 } });
  agent.sendCall(1, 0, 'run', ['echo $$; echo note >&2; exec sleep 1000', { maxOutputBytes: 100 }], { streams: true });
  await agent.next(FrameType.Output, ({ value }) => (value as { stream: number }).stream === 2);
  agent.cancel(1, 0);
  const { kind, killed, output } = await agent.failure(1, 0);
  assert.equal(kind, 'cancelled');
  assert.equal(killed, true);
  assert.equal(output?.stderr, 'note\n');
  assert.ok(!isRunning(Number(output.stdout)));
});

test('a cancelled command that ignores TERM gets KILL, its children too', async () => {
  await using agent = await startAgent({ config: { killGraceMs: 50 } });
  const command = `trap "" TERM; sleep 1000 & echo $! $$; sleep 1000`;
  agent.sendCall(1, 0, 'run', [command], { streams: true });
  const reply = await agent.next(FrameType.Output);
  agent.cancel(1, 0);
  assert.equal((await agent.failure(1, 0)).killed, true);
  const pids = (reply.value as { text: string }).text.trim().split(' ').map(Number);
  assert.equal(pids.length, 2);
  for (const pid of pids) assert.ok(!isRunning(pid));
});

test('a cancel while a grandchild holds stdout open ends the grandchild', async () => {
  await using agent = await startAgent();
  agent.sendCall(1, 0, 'run', ['sleep 1000 & echo $!; sleep 1000'], { streams: true });
  const reply = await agent.next(FrameType.Output);
  agent.cancel(1, 0);
  assert.equal((await agent.failure(1, 0)).killed, true);
  assert.ok(!isRunning(Number((reply.value as { text: string }).text)));
});

const BAD_ARGUMENTS: readonly (readonly [args: unknown[], message: RegExp])[] = [
  [[], /run: command is undefined, expected a non-empty string/],
  [[''], /run: command is '', expected/],
  [[['ls']], /run: command is \[ 'ls' \]/],
  [['ls', 5], /run: options is 5/],
  [['ls', null], /run: options is null/],
  [['ls', { timeout: 5 }], /unknown option 'run: options.timeout', expected one of cwd, env, stdin/],
  [['ls', { cwd: 5 }], /run: options\.cwd is 5/],
  [['ls', { env: { A: 5 } }], /run: options\.env\.A is 'number', expected a string/],
  [['ls', { env: { A: 's\0t' } }], /run: options\.env\.A is '\(not shown\)', expected a string without a zero byte/],
  [['ls', { env: { 'A=B': '' } }], /a name in run: options\.env is 'A=B', expected a non-empty string without '='/],
  [['ls', { stdin: 5 }], /run: options\.stdin is 5/],
  [['ls', { maxOutputBytes: -1 }], /run: options\.maxOutputBytes is -1, expected an integer from 0/],
  [['ls', { maxOutputBytes: Infinity }], /run: options\.maxOutputBytes is Infinity/],
];

test('arguments that make no sense are refused by name', async () => {
  await using agent = await startAgent();
  for (const [args, message] of BAD_ARGUMENTS) {
    const error = await agent.fail('run', ...args);
    assert.match(error.message, message);
    assert.equal(error.code, 'ERR_INVALID_ARG');
    assert.ok(error instanceof TypeError);
  }
  const fields = { cwd: undefined, env: undefined, stdin: undefined, maxOutputBytes: undefined };
  assert.equal((await agent.call('run', 'true', fields)).exitCode, 0);
});

test('a command that has exited is not signalled by its number, however long its output is waited for', async t => {
  const cancel = new AbortController();
  const { signal } = cancel;
  const aborted = once(signal, 'abort');
  const kill = t.mock.method(process, 'kill');
  const signals = (): unknown[] => kill.mock.calls.map(call => call.arguments[1]).filter(each => each !== 0);
  let pid = 0;
  const output: OutputSink = {
    write: (_stream, bytes) => {
      pid ||= Number.parseInt(Buffer.from(bytes).toString('latin1'));
      return false;
    },
    drained: async () => {
      await aborted;
    },
  };
  const warn = (message: string): never => assert.fail(message);
  // More than is read in one go, less than a pipe holds.
  const running = run(
    { signal, killGraceMs: 100, output, prints: () => undefined, warn, openTransfer: () => assert.fail() },
    'echo $$; head -c 100000 /dev/zero',
  );
  await until(() => pid > 0);
  // Not a zombie either: its end has been noticed here.
  await until(() => !existsSync(`/proc/${String(pid)}`));
  cancel.abort();
  await assert.rejects(running, (error: Cancelled) => error.killed);
  assert.deepEqual(signals(), []);
});
