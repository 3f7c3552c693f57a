import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { EVERY_CALL, FrameType } from '../../../src/queue/wire/messages.js';
import { leakCheck } from '../../support/leak-check.js';
import { temporaryFolder } from '../../support/processes-left.js';
import { callFrame, startAgent, type TestAgent } from './spawn-agent.js';

leakCheck();

/** A command that says it has begun, and ends when the gate is opened. */
async function gatedCommand(t: TestContext): Promise<{ command: string; open(): Promise<void> }> {
  const gate = join(await temporaryFolder(t), 'gate');
  execFileSync('mkfifo', [gate]);
  const openGate = async (): Promise<void> => {
    await (await open(gate, 'w')).close();
  };
  return { command: `echo begun; cat ${gate}`, open: openGate };
}

function answersOf(agent: TestAgent, batch: number): number[] {
  const answers = agent.replies.filter(
    reply => reply.batch === batch && (reply.type === FrameType.Value || reply.type === FrameType.Failed),
  );
  return answers.map(({ index }) => index);
}

test('calls of one batch run one after the other, in order', async t => {
  const file = join(await temporaryFolder(t), 'log');
  await using agent = await startAgent();
  const frames = Array.from({ length: 50 }, (_, index) =>
    callFrame(1, index, 'appendToFile', [file, `${String(index)} `]),
  );
  agent.send(...frames);
  await agent.value(1, 49);
  const numbers = Array.from({ length: 50 }, (_, index) => index);
  assert.deepEqual(answersOf(agent, 1), numbers);
  assert.equal(await readFile(file, 'utf8'), `${numbers.join(' ')} `);
});

test('batches run side by side', async t => {
  const gated = await gatedCommand(t);
  await using agent = await startAgent();
  agent.sendCall(1, 0, 'run', [gated.command], { streams: true });
  await agent.next(FrameType.Output);
  agent.sendCall(2, 0, 'run', ['echo other']);
  await agent.value(2, 0);
  assert.deepEqual(answersOf(agent, 1), []);
  await gated.open();
  await agent.value(1, 0);
});

test('a call that fails ends its batch, with what is queued of it and what comes later, and no other', async t => {
  const file = join(await temporaryFolder(t), 'log');
  await using agent = await startAgent();
  agent.send(
    callFrame(1, 0, 'run', ['true']),
    callFrame(1, 1, 'run', [5]),
    callFrame(1, 2, 'appendToFile', [file, 'queued']),
    callFrame(2, 0, 'run', ['true']),
  );
  assert.equal((await agent.failure(1, 1)).kind, 'call');
  agent.sendCall(1, 3, 'appendToFile', [file, 'late']);
  agent.cancel(1, 3);
  await agent.value(2, 0);
  agent.sendCall(2, 1, 'run', ['true']);
  await agent.value(2, 1);
  await agent.settle();
  assert.deepEqual(answersOf(agent, 1), [0, 1]);
  await assert.rejects(readFile(file), { code: 'ENOENT' });
});

test('kills in front of a batch do not end it: what they throw is a warning', async () => {
  await using agent = await startAgent();
  agent.send(
    callFrame(1, 0, 'killProcesses', ['nonsense'], { isKill: true }),
    callFrame(1, 1, 'run', ['echo still here']),
  );
  assert.deepEqual(await agent.value(1, 0), []);
  assert.equal(((await agent.value(1, 1)) as { stdout: string }).stdout, 'still here\n');
  assert.match(String(agent.warnings(1)), /could not be killed: .*killProcesses: list is 'nonsense'/);
});

test('a call cancelled before its turn is answered then, without running', async t => {
  const file = join(await temporaryFolder(t), 'log');
  const gated = await gatedCommand(t);
  await using agent = await startAgent();
  agent.sendCall(1, 0, 'run', [gated.command], { streams: true });
  agent.sendCall(1, 1, 'appendToFile', [file, 'x']);
  agent.sendCall(1, 2, 'appendToFile', [file, 'y']);
  await agent.next(FrameType.Output);
  agent.cancel(1, 1);
  await agent.settle();
  assert.deepEqual(answersOf(agent, 1), []);
  await gated.open();
  await agent.value(1, 0);
  const { kind, killed, error } = await agent.failure(1, 1);
  assert.deepEqual([kind, killed, error.code], ['cancelled', true, 'ERR_CALL_CANCELLED']);
  await agent.settle();
  assert.deepEqual(answersOf(agent, 1), [0, 1]);
  await assert.rejects(readFile(file), { code: 'ENOENT' });
});

test('a call may be cancelled before it comes', async () => {
  await using agent = await startAgent();
  agent.cancel(1, 0);
  agent.sendCall(1, 0, 'run', ['true']);
  assert.equal((await agent.failure(1, 0)).kind, 'cancelled');
});

test('the cancel of a call that was answered changes nothing', async () => {
  await using agent = await startAgent();
  agent.sendCall(1, 0, 'run', ['true']);
  await agent.value(1, 0);
  agent.cancel(1, 0);
  agent.sendCall(1, 1, 'run', ['true']);
  await agent.value(1, 1);
  assert.deepEqual(answersOf(agent, 1), [0, 1]);
});

test('a cancel of every call ends the one that runs, and no later one starts', async t => {
  const gated = await gatedCommand(t);
  await using agent = await startAgent();
  agent.sendCall(1, 0, 'run', ['true']);
  agent.sendCall(1, 1, 'run', [gated.command, { maxOutputBytes: 100 }], { streams: true });
  agent.sendCall(1, 2, 'run', ['true']);
  await agent.next(FrameType.Output);
  agent.cancel(1, EVERY_CALL);
  const { kind, killed, output } = await agent.failure(1, 1);
  assert.deepEqual(
    { kind, killed, output },
    { kind: 'cancelled', killed: true, output: { stdout: 'begun\n', stderr: '' } },
  );
  await agent.settle();
  assert.deepEqual(answersOf(agent, 1), [0, 1]);
});

test('a cancel of every call between two calls ends the next one', async () => {
  await using agent = await startAgent();
  agent.sendCall(1, 0, 'run', ['true']);
  await agent.value(1, 0);
  agent.cancel(1, EVERY_CALL);
  agent.sendCall(1, 1, 'run', ['true']);
  assert.equal((await agent.failure(1, 1)).kind, 'cancelled');
});

test('a cancelled call that cannot be ended is answered all the same, and its later output kept back', async t => {
  const folder = await temporaryFolder(t);
  execFileSync('mkfifo', [join(folder, 'blocked')]);
  await using agent = await startAgent({ config: { killGraceMs: 10 } });
  // Opening a pipe without a reader blocks a thread of Node's, out of reach of any signal.
  agent.sendCall(1, 0, 'appendToFile', [join(folder, 'blocked'), 'x']);
  await agent.settle();
  agent.cancel(1, 0);
  const { kind, killed } = await agent.failure(1, 0);
  assert.deepEqual([kind, killed], ['cancelled', false]);
  await (await open(join(folder, 'blocked'), 'r')).close();
});

test('thousands of finished batches are not remembered for ever, and do not disturb', async () => {
  await using agent = await startAgent();
  const frames: Uint8Array[] = [];
  for (let batch = 10_001; batch <= 13_000; batch++) frames.push(callFrame(batch, 0, 'nothing', []));
  agent.send(...frames);
  assert.equal((await agent.failure(13_000, 0)).error.code, 'ERR_NO_METHOD');
  assert.equal((await agent.call('run', 'echo fine')).stdout, 'fine\n');
});
