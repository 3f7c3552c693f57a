import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeFrame, MAX_PAYLOAD_BYTES } from '../../../src/queue/wire/frames.js';
import { FrameType, PROTOCOL_VERSION } from '../../../src/queue/wire/messages.js';
import { leakCheck } from '../../support/leak-check.js';
import { isRunning } from '../../support/processes-left.js';
import { callFrame, startAgent, type TestAgent } from './spawn-agent.js';

leakCheck();

const UTILITY = 'file:///drone/mine.mjs';

/** Starts a command that runs on, and gives the pids of its shell and its child. */
async function runOn(agent: TestAgent, prepare = ''): Promise<number[]> {
  const batch = agent.newBatch();
  agent.sendCall(batch, 0, 'run', [`${prepare} sleep 1000 & echo $$ $!; wait`], { streams: true });
  const reply = await agent.next(FrameType.Output, each => each.batch === batch);
  const pids = (reply.value as { text: string }).text.trim().split(' ').map(Number);
  assert.equal(pids.length, 2);
  for (const pid of pids) assert.ok(isRunning(pid));
  return pids;
}

test('the agent says what it is once it takes calls', async () => {
  await using agent = await startAgent();
  assert.deepEqual((await agent.next(FrameType.Ready)).value, {
    protocol: PROTOCOL_VERSION,
    pid: agent.pid,
    nodeVersion: process.version,
  });
});

test('a ping is answered in kind', async () => {
  await using agent = await startAgent();
  agent.send(encodeFrame(FrameType.Ping, 7, 9));
  const { batch, index } = await agent.next(FrameType.Pong);
  assert.deepEqual([batch, index], [7, 9]);
});

for (const method of ['nothing', 'constructor', '__proto__', 'toString', '']) {
  test(`a method that does not exist is an error that names it: ${JSON.stringify(method)}`, async () => {
    await using agent = await startAgent();
    const error = await agent.fail(method);
    assert.equal(error.code, 'ERR_NO_METHOD');
    assert.ok(error.message.includes(`'${method}'`), error.message);
  });
}

test('arguments that are no list are refused', async () => {
  await using agent = await startAgent();
  const frame = callFrame(1, 0, 'run', 'ls' as unknown as unknown[]);
  agent.send(frame);
  assert.match((await agent.failure(1, 0)).error.message, /run: the arguments must be a list, got 'ls'/);
});

test('the agent exits with the end of its stdin, when it has nothing to end first', async () => {
  await using agent = await startAgent();
  agent.child.stdin?.end();
  assert.deepEqual(await agent.exited, { code: 0, signal: null });
});

test('at the end of its stdin the agent takes the process groups of all its commands along', async () => {
  await using agent = await startAgent({ config: { killGraceMs: 50 } });
  const pids = [...(await runOn(agent)), ...(await runOn(agent, 'trap "" TERM;'))];
  agent.child.stdin?.end();
  await agent.exited;
  for (const pid of pids) assert.ok(!isRunning(pid));
});

test('a TERM to the agent is the same as the end of its stdin', async () => {
  await using agent = await startAgent();
  const pids = await runOn(agent);
  process.kill(agent.pid, 'SIGTERM');
  assert.deepEqual(await agent.exited, { code: 0, signal: null });
  for (const pid of pids) assert.ok(!isRunning(pid));
});

test('what a terminal sends does not end the agent', async () => {
  await using agent = await startAgent();
  process.kill(agent.pid, 'SIGINT');
  process.kill(agent.pid, 'SIGHUP');
  assert.equal((await agent.call('run', 'echo fine')).stdout, 'fine\n');
});

test('the agent ends when its output is not read', async () => {
  await using agent = await startAgent();
  const pids = await runOn(agent);
  agent.child.stdout?.destroy();
  agent.send(encodeFrame(FrameType.Ping, 0, 0));
  await agent.exited;
  for (const pid of pids) assert.ok(!isRunning(pid));
});

test('an endless loop in a method does not keep the agent from ending', async () => {
  await using agent = await startAgent();
  agent.sendUtility(UTILITY, 'export function loop() { console.log("looping"); for (;;); }');
  agent.sendCall(1, 0, 'loop', [], { utility: UTILITY });
  await agent.next(FrameType.Warning);
  agent.child.stdin?.end();
  await agent.exited;
});

test('a method that hangs in a system call does not keep the agent from ending', async () => {
  await using agent = await startAgent({ config: { killGraceMs: 50 } });
  const source = `import { execSync } from 'node:child_process';
    export function hang() { console.log('hanging'); execSync('echo $$ >&2; exec sleep 1000', { stdio: 'inherit' }); }`;
  agent.sendUtility(UTILITY, source);
  agent.sendCall(1, 0, 'hang', [], { utility: UTILITY });
  await agent.next(FrameType.Warning);
  while (!agent.stderr.includes('\n')) await new Promise(resolve => agent.child.stderr?.once('data', resolve));
  agent.child.stdin?.end();
  await agent.exited;
  process.kill(Number(agent.stderr), 'SIGKILL');
});

test('an agent that crashes ends at once, whatever its threads hang in', async () => {
  await using agent = await startAgent();
  const hanging = `import { execSync } from 'node:child_process';
    export function hang() { execSync('echo $$ >&2; exec sleep 1000', { stdio: 'inherit' }); }`;
  agent.sendUtility(UTILITY, hanging);
  agent.sendCall(1, 0, 'hang', [], { utility: UTILITY });
  while (!agent.stderr.includes('\n')) await new Promise(resolve => agent.child.stderr?.once('data', resolve));
  // By another thread: an agent that crashes at once would not let the first one come to its system call.
  const crashing = `import { parentPort } from 'node:worker_threads';
    export function crash() { parentPort.postMessage(null); }`;
  agent.sendUtility('crashing', crashing);
  agent.sendCall(2, 0, 'crash', [], { utility: 'crashing' });
  await agent.next(FrameType.Warning, ({ value }) => String(value).startsWith('the agent crashed: TypeError'));
  await agent.exited;
  process.kill(Number(agent.stderr), 'SIGKILL');
});

test('an agent that hears nothing for too long ends, with its commands', async () => {
  await using agent = await startAgent({ config: { linkSilenceMs: 300, killGraceMs: 50 } });
  const pids = await runOn(agent);
  await agent.exited;
  for (const pid of pids) assert.ok(!isRunning(pid));
});

test('an agent whose link is jammed ends for silence all the same', async () => {
  await using agent = await startAgent({ config: { linkSilenceMs: 500, killGraceMs: 50 } });
  const [pid = 0] = await runOn(agent);
  agent.child.stdout?.pause();
  agent.sendCall(1, 0, 'run', ['exec yes'], { streams: true });
  agent.sendCall(2, 0, 'run', ['head -c 5000000 /dev/zero'], { streams: true });
  agent.sendCall(2, 1, 'run', ['true']);
  await agent.exited;
  assert.ok(!isRunning(pid));
});

test('an agent that hears nothing for too long ends though a method loops without end', async () => {
  await using agent = await startAgent({ config: { linkSilenceMs: 1000, killGraceMs: 50 } });
  // Until it loops, which may take longer than the silence allowed.
  const pings = setInterval(() => agent.send(encodeFrame(FrameType.Ping, 0, 0, new Uint8Array(0))), 50);
  const pids = await runOn(agent, 'trap "" TERM;');
  agent.sendUtility(UTILITY, 'export function loop() { console.log("looping"); for (;;); }');
  agent.sendCall(1, 0, 'loop', [], { utility: UTILITY });
  await agent.next(FrameType.Warning).finally(() => clearInterval(pings));
  await agent.exited;
  assert.deepEqual(pids.filter(isRunning), []);
});

test('an agent whose output is not read ends with its stdin, however much is still in that', async () => {
  await using agent = await startAgent({ config: { killGraceMs: 50 } });
  const pids = await runOn(agent);
  agent.child.stdout?.pause();
  agent.sendCall(1, 0, 'run', ['exec yes'], { streams: true });
  agent.sendUtility(UTILITY, 'export const echo = value => value');
  for (let index = 0; index < 20; index++) {
    agent.sendCall(2, index, 'echo', [new Uint8Array(1_000_000)], { utility: UTILITY });
  }
  agent.child.stdin?.end();
  await agent.exited;
  assert.deepEqual(pids.filter(isRunning), []);
});

test('any byte counts as a sign of life', async () => {
  await using agent = await startAgent({ config: { linkSilenceMs: 1000 } });
  // Time itself is what is tested here: longer than the silence allowed, in shorter steps.
  for (let step = 0; step < 6; step++) {
    await delay(250);
    await agent.settle();
  }
});

test('bytes that are no frames end the agent, which says why', async () => {
  await using agent = await startAgent();
  const pids = await runOn(agent);
  agent.child.stdin?.write('GET / HTTP/1.1\r\nHost: drone\r\n\r\n');
  assert.deepEqual(await agent.exited, { code: 1, signal: null });
  await agent.closed;
  assert.match(String(agent.warnings()), /received invalid data: .*a frame announces \d+ bytes/);
  for (const pid of pids) assert.ok(!isRunning(pid));
});

test('a frame of a known type that holds no value ends the agent, which says why', async () => {
  await using agent = await startAgent();
  agent.send(encodeFrame(FrameType.Utility, 0, 0, Uint8Array.of(1, 2, 3)));
  assert.deepEqual(await agent.exited, { code: 1, signal: null });
  await agent.closed;
  assert.match(String(agent.warnings()), /received invalid data/);
});

test('a frame of unknown type is left out, with a warning', async () => {
  await using agent = await startAgent();
  agent.send(encodeFrame(99, 0, 0, new Uint8Array(10)));
  assert.match(String((await agent.next(FrameType.Warning)).value), /frames of type 99/);
  assert.equal((await agent.call('run', 'echo fine')).stdout, 'fine\n');
});

test('frames that come byte by byte are frames', async () => {
  await using agent = await startAgent();
  for (const byte of callFrame(1, 0, 'run', ['echo slow'])) agent.send(Uint8Array.of(byte));
  assert.equal(((await agent.value(1, 0)) as { stdout: string }).stdout, 'slow\n');
});

test('values of many megabytes pass in both directions', async () => {
  await using agent = await startAgent();
  agent.sendUtility(UTILITY, 'export const echo = value => value');
  const large = new Uint8Array(30_000_000).fill(7);
  agent.sendCall(1, 0, 'echo', [large], { utility: UTILITY });
  agent.sendCall(1, 1, 'echo', ['small'], { utility: UTILITY });
  const value = (await agent.value(1, 0)) as Uint8Array;
  assert.equal(Buffer.compare(value, large), 0);
  assert.equal(await agent.value(1, 1), 'small');
});

test('a value too large for a reply is a failure that names its size and the limit', async () => {
  await using agent = await startAgent();
  agent.sendUtility(UTILITY, 'export const huge = bytes => new Uint8Array(bytes)');
  agent.sendCall(1, 0, 'huge', [MAX_PAYLOAD_BYTES], { utility: UTILITY });
  const { kind, error } = await agent.failure(1, 0);
  assert.equal(kind, 'not-cloneable');
  assert.match(error.message, /takes 6710\d{4} bytes, more than the 67108864/);
});

test('the agent is bare of open files and children when calls are over', async () => {
  await using agent = await startAgent();
  const openFiles = (): number => readdirSync(`/proc/${String(agent.pid)}/fd`).length;
  await agent.call('run', 'true');
  const before = openFiles();
  for (let time = 0; time < 20; time++) await agent.call('run', 'cat', { stdin: 'x' });
  await agent.settle();
  assert.ok(openFiles() <= before, `${String(openFiles())} files, ${String(before)} before`);
});
