import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { promisify } from 'node:util';
import { FrameType } from '../../../src/queue/wire/messages.js';
import { leakCheck } from '../../support/leak-check.js';
import { startAgent, type TestAgent } from './spawn-agent.js';

leakCheck();

const execute = promisify(execFile);

const ID = 'file:///home/me/mine.mjs?v=1';

function send(agent: TestAgent, batch: number, method: string, ...args: unknown[]): void {
  agent.sendCall(batch, 0, method, args, { utility: ID });
}

/** A method that prints `hanging` and never settles; `source` is the rest of the module. */
async function startHanging(agent: TestAgent, source: string, batch: number): Promise<void> {
  agent.sendUtility(ID, `export function hang() { console.log('hanging'); return new Promise(() => {}); }\n${source}`);
  send(agent, batch, 'hang');
  await agent.next(FrameType.Warning, reply => reply.batch === batch);
}

test('exported functions are methods: plain, async and with any value', async () => {
  await using agent = await startAgent();
  agent.sendUtility(
    ID,
    `export const swap = (a, b) => [b, a];
     export async function later(value) { await null; return value; }
     export default function () { return 'default'; }
     export function whoAmI() { return this; }`,
  );
  send(agent, 1, 'swap', new Map([[1, -0]]), undefined);
  send(agent, 2, 'later', new Date(0));
  send(agent, 3, 'default');
  send(agent, 4, 'whoAmI');
  assert.deepEqual(await agent.value(1, 0), [undefined, new Map([[1, -0]])]);
  assert.deepEqual(await agent.value(2, 0), new Date(0));
  assert.equal(await agent.value(3, 0), 'default');
  assert.equal(await agent.value(4, 0), undefined);
});

test('the module is loaded once, at its first call', async () => {
  await using agent = await startAgent();
  agent.sendUtility(ID, 'console.log("loaded"); let calls = 0; export const count = () => ++calls');
  await agent.settle();
  assert.deepEqual(agent.warnings(), []);
  send(agent, 1, 'count');
  send(agent, 2, 'count');
  assert.deepEqual([await agent.value(1, 0), await agent.value(2, 0)], [1, 2]);
  assert.deepEqual(agent.warnings(), ['utility:mine.mjs printed: loaded']);
});

test('a module sees the variables of the drone and may use what Node has', async () => {
  await using agent = await startAgent({ config: { env: { DRONE_COLOR: 'blue' } } });
  agent.sendUtility(ID, `import { sep } from 'node:path'; export const look = () => [process.env.DRONE_COLOR, sep]`);
  send(agent, 1, 'look');
  assert.deepEqual(await agent.value(1, 0), ['blue', '/']);
});

test('what a method throws arrives as it was thrown, with a short stack', async () => {
  await using agent = await startAgent();
  agent.sendUtility(
    ID,
    `// ${'x'.repeat(10_000)}
     export function fail() {
       throw Object.assign(new RangeError('too far', { cause: new Error('why') }), { code: 'E_FAR' });
     }
     export function failPlainly() { throw { not: 'an error' }; }
     export function failStrangely() { throw () => 'a function'; }`,
  );
  send(agent, 1, 'fail');
  const { kind, error } = await agent.failure(1, 0);
  assert.equal(kind, 'call');
  assert.ok(error instanceof RangeError);
  assert.deepEqual([error.message, error.code, (error.cause as Error).message], ['too far', 'E_FAR', 'why']);
  assert.match(error.stack ?? '', /at fail \(utility:mine\.mjs:\d+:\d+\)/);
  assert.ok((error.stack ?? '').length < 1000);
  send(agent, 2, 'failPlainly');
  assert.deepEqual((await agent.failure(2, 0)).error, { not: 'an error' });
  send(agent, 3, 'failStrangely');
  assert.match((await agent.failure(3, 0)).error.message, /Function/);
});

test('a value that cannot be cloned is a failure of that kind', async () => {
  await using agent = await startAgent();
  agent.sendUtility(ID, 'export const fn = () => ({ inner: () => 1 })');
  send(agent, 1, 'fn');
  const { kind, error } = await agent.failure(1, 0);
  assert.equal(kind, 'not-cloneable');
  assert.equal(error.code, 'ERR_NOT_CLONEABLE');
});

test('only an exported function is a method', async () => {
  await using agent = await startAgent();
  agent.sendUtility(ID, 'export const five = 5; function hidden() {}');
  for (const [at, method] of ['five', 'hidden', 'toString', 'constructor'].entries()) {
    send(agent, at, method);
    const { error } = await agent.failure(at, 0);
    assert.equal(error.code, 'ERR_NO_METHOD');
    assert.ok(error.message.includes(`'${method}': utility:mine.mjs`), error.message);
  }
});

test('a module that was never sent is an error that names it', async () => {
  await using agent = await startAgent();
  send(agent, 1, 'anything');
  const { error } = await agent.failure(1, 0);
  assert.equal(error.code, 'ERR_NO_METHOD');
  assert.ok(error.message.includes(ID));
});

test('a module that takes the name of a built-in method fails, and the built-in one still runs', async () => {
  await using agent = await startAgent();
  agent.sendUtility(ID, 'export const run = () => "mine"; export const other = () => 1');
  send(agent, 1, 'other');
  const { error } = await agent.failure(1, 0);
  assert.equal(error.code, 'ERR_UTILITY_NAME');
  assert.match(error.message, /exports run,/);
  send(agent, 2, 'run', 'echo built-in');
  assert.equal(((await agent.value(2, 0)) as { stdout: string }).stdout, 'built-in\n');
});

const UNLOADABLE: readonly (readonly [name: string, source: string, message: RegExp])[] = [
  ['does not parse', 'export const = 5', /Unexpected token|Missing initializer/],
  ['throws', 'throw new TypeError("not today"); export const any = 1', /^not today$/],
  ['imports a file', 'import "./other.mjs"; export const any = 1', /other\.mjs|relative|Invalid URL/],
];

for (const [name, source, message] of UNLOADABLE) {
  test(`every call of a module that ${name} fails with the reason`, async () => {
    await using agent = await startAgent();
    agent.sendUtility(ID, source);
    for (const batch of [1, 2]) {
      send(agent, batch, 'any');
      const { kind, error } = await agent.failure(batch, 0);
      assert.equal(kind, 'call');
      assert.match(error.message, message);
    }
  });
}

test('a cancel ends the thread of a method in an endless loop, and the next call has a new one', async () => {
  await using agent = await startAgent();
  agent.sendUtility(
    ID,
    'export function loop() { console.log("looping"); for (;;); } export const fine = () => "fine"',
  );
  send(agent, 1, 'loop');
  await agent.next(FrameType.Warning);
  agent.cancel(1, 0);
  const { kind, killed } = await agent.failure(1, 0);
  assert.deepEqual([kind, killed], ['cancelled', true]);
  send(agent, 2, 'fine');
  assert.equal(await agent.value(2, 0), 'fine');
});

test('other calls in a thread that a cancel ended are lost, not failed', async () => {
  await using agent = await startAgent();
  await startHanging(agent, '', 1);
  send(agent, 2, 'hang');
  await agent.next(FrameType.Warning, reply => reply.batch === 2);
  agent.cancel(1, 0);
  assert.equal((await agent.failure(1, 0)).kind, 'cancelled');
  const { kind, error } = await agent.failure(2, 0);
  assert.equal(kind, 'lost');
  assert.match((error.cause as Error).message, /hang was cancelled/);
});

const FATAL: readonly (readonly [name: string, source: string, message: RegExp])[] = [
  ['exits', 'export function die() { process.exit(3); }', /process\.exit\(3\)/],
  [
    'exits later',
    'export const die = () => new Promise(() => { setTimeout(process.exit, 1, 4); })',
    /process\.exit\(4\)/,
  ],
  [
    'throws later',
    'export const die = () => new Promise(() => { setTimeout(() => { throw new Error("late"); }, 1); })',
    /^late$/,
  ],
  [
    'leaves a rejection',
    'export const die = () => new Promise(() => { void Promise.reject(new Error("left")); })',
    /^left$/,
  ],
];

for (const [name, source, message] of FATAL) {
  test(`a method that ${name} fails; others in its thread are lost; the next call runs`, async () => {
    await using agent = await startAgent();
    await startHanging(agent, `${source}\nexport const fine = () => 'fine';`, 1);
    send(agent, 2, 'die');
    const died = await agent.failure(2, 0);
    assert.equal(died.kind, 'call');
    assert.match(died.error.message, message);
    assert.equal((await agent.failure(1, 0)).kind, 'lost');
    send(agent, 3, 'fine');
    assert.equal(await agent.value(3, 0), 'fine');
  });
}

test('a method that recurses without end fails, and its thread lives on', async () => {
  await using agent = await startAgent();
  agent.sendUtility(
    ID,
    'let calls = 0; export const deep = () => { calls++; const f = () => f() + 1; return f(); }; export const count = () => calls',
  );
  send(agent, 1, 'deep');
  const { kind, error } = await agent.failure(1, 0);
  assert.equal(kind, 'call');
  assert.ok(error instanceof RangeError);
  send(agent, 2, 'count');
  assert.equal(await agent.value(2, 0), 1);
});

test('what a method prints becomes warnings of its batch, before its answer', async () => {
  await using agent = await startAgent();
  agent.sendUtility(
    ID,
    `export function print(...texts) { for (const text of texts) process.stdout.write(text); console.error('bad'); }`,
  );
  send(agent, 7, 'print', 'one\ntw', 'o\n', Uint8Array.of(0x21));
  await agent.value(7, 0);
  const printed = ['one', 'two', '!bad'].map(line => `utility:mine.mjs printed: ${line}`);
  assert.deepEqual(agent.warnings(7), printed);
  assert.equal(agent.replies.at(-1)?.type, FrameType.Value);
});

test('what a method prints from then on belongs to its batch too, and prints are told apart', async () => {
  await using agent = await startAgent();
  agent.sendUtility(
    ID,
    `let release; const released = new Promise(resolve => { release = resolve; });
     export async function wait(name) { await released; console.log(name); }
     export function go() { release(); }`,
  );
  send(agent, 1, 'wait', 'first');
  send(agent, 2, 'wait', 'second');
  send(agent, 3, 'go');
  await Promise.all([agent.value(1, 0), agent.value(2, 0), agent.value(3, 0)]);
  assert.deepEqual(agent.warnings(1), ['utility:mine.mjs printed: first']);
  assert.deepEqual(agent.warnings(2), ['utility:mine.mjs printed: second']);
});

test('a method that floods stdout costs a hundred warnings and one more', async () => {
  await using agent = await startAgent();
  agent.sendUtility(ID, 'export function flood() { for (let i = 0; i < 100000; i++) console.log(i); }');
  send(agent, 1, 'flood');
  await agent.value(1, 0);
  assert.equal(agent.warnings(1).length, 101);
  assert.match(String(agent.warnings(1).at(-1)), /and more, omitted/);
});

/** Sets how many files a process may have open, as a drone or a user may be limited to; a new thread needs some. */
async function limitFiles(pid: number, count: number): Promise<void> {
  await execute('prlimit', ['--pid', String(pid), `--nofile=${String(count)}:`]);
}

test('a thread that cannot be started is a failure of its call alone, and the next call starts one', async () => {
  await using agent = await startAgent();
  agent.sendUtility(ID, 'export const fine = () => "fine"');
  await agent.call('run', 'true');
  await limitFiles(agent.pid, 0);
  send(agent, 2, 'fine');
  const { kind, error } = await agent.failure(2, 0);
  assert.deepEqual([kind, error.code], ['call', 'ERR_WORKER_INIT_FAILED']);
  await limitFiles(agent.pid, 1000);
  send(agent, 3, 'fine');
  assert.equal(await agent.value(3, 0), 'fine');
});
