/** The demo as `npm run demo` runs it, piped. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { constants } from 'node:os';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { mismatch } from '../scripts/expected-output.js';
import { allGone, temporaryFolder } from './support/processes-left.js';
import { leakCheck } from './support/leak-check.js';
import { startSshd } from './support/sshd.js';
import { until } from './support/until.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

leakCheck();

class Demo {
  stdout = '';
  stderr = '';
  readonly process;
  readonly #closed: Promise<unknown[]>;

  constructor(args: readonly string[] = [], ownEnv: NodeJS.ProcessEnv = {}) {
    const env = { ...process.env, ...ownEnv };
    this.process = spawn(process.execPath, ['--import=tsx', 'examples/demo.ts', ...args], { cwd: ROOT, env });
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#closed = once(this.process, 'close');
  }

  /** Resolves when it has written this. */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text)) await once(this.process.stdout, 'data');
  }

  /** Resolves when no process holds its output any more. */
  async ended(): Promise<number | null> {
    const [status] = await this.#closed;
    return status as number | null;
  }
}

/** Each is met by a line, in this order. */
function assertLines(output: string, expected: readonly RegExp[]): void {
  const lines = output.split('\n');
  let from = 0;
  for (const line of expected) {
    const at = lines.findIndex((each, index) => index >= from && line.test(each));
    assert(at >= 0, `no line like ${String(line)} after line ${String(from)} of\n${output}`);
    from = at + 1;
  }
}

test('the demo goes as planned through a throwing call, a dying drone and its return', async () => {
  const demo = new Demo();
  assert.equal(await demo.ended(), 0, demo.stdout + demo.stderr);
  const expected = readFileSync(new URL('../examples/expected/demo.txt', import.meta.url), 'utf8');
  assert.equal(mismatch(expected, demo.stdout), undefined, demo.stdout);
  assert.equal(demo.stderr, '');
});

test('the demo runs against a real sshd that is named to it', async () => {
  await using sshd = await startSshd();
  const { agentCommand = 'node' } = sshd.droneOptions();
  const [one = '', two = ''] = sshd.addresses;
  const [first, second] = [one, two].map(address => `${sshd.user}@${address}:${String(sshd.port)}`);
  const hosts = ['--host', String(first), '--host', 'localhost', '--host', String(second)];
  const ways = ['--identity', sshd.identity, '--known-hosts', sshd.knownHosts, '--agent-command', agentCommand];
  const demo = new Demo([...hosts, ...ways, '--ticks', '2']);
  assert.equal(await demo.ended(), 0, demo.stdout + demo.stderr);
  assertLines(demo.stdout, [
    /^tick 1, /,
    /^tick 2, /,
    /^2 ticks, 6 of 6 batches ok \(no failure\), 12 calls answered /,
    /^Everything went as planned\.$/,
  ]);
  assert.equal(demo.stderr, '');
});

test('the demo fails when a host that is named to it cannot be reached', async () => {
  const demo = new Demo(['--host', '127.0.0.1:1', '--host', 'localhost', '--ticks', '1']);
  assert.equal(await demo.ended(), 1, demo.stdout + demo.stderr);
  assertLines(demo.stdout, [
    /^ {2}Drone 127\.0\.0\.1 raised Exception unreachable in phase connect: /,
    /^Not as planned:$/,
    /^ {2}tick 1, 127\.0\.0\.1: unreachable instead of ok$/,
  ]);
});

/** Takes connections and says nothing: a drone there is in flight until the connect timeout. */
class SilentHost implements AsyncDisposable {
  readonly #sockets: Socket[] = [];
  readonly #server = createServer(socket => {
    socket.on('error', () => undefined); // the demo ends in whatever way the test makes it
    this.#sockets.push(socket);
  }).listen(0, '127.0.0.1');

  static async start(): Promise<SilentHost> {
    const host = new SilentHost();
    await once(host.#server, 'listening');
    return host;
  }

  get address(): string {
    return `127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Its first tick waits for the silent host, and has the results of localhost. */
async function startWaitingDemo({ address }: SilentHost): Promise<Demo> {
  const demo = new Demo(['--host', 'localhost', '--host', address, '--ticks', '1000']);
  await demo.says('  localhost: ok, ');
  return demo;
}

test('the demo shows on SIGUSR2 which drones are waited for, and goes on', async () => {
  await using silent = await SilentHost.start();
  const demo = await startWaitingDemo(silent);
  // The results of localhost may be there before the other drone's turn to connect.
  const line = new RegExp(
    `^  127\\.0\\.0\\.1: in phase (connect|handshake) for \\d+ ms, next is run\\("echo 'tick 1 on `,
    'm',
  );
  await until(() => {
    demo.process.kill('SIGUSR2');
    return line.test(demo.stdout);
  });
  demo.process.kill('SIGINT');
  assert.equal(await demo.ended(), 0, demo.stdout + demo.stderr);
  assert.match(demo.stdout, /1 drones in flight/);
});

test('the demo cancels its round on a signal, shows what has arrived, and ends', async () => {
  await using silent = await SilentHost.start();
  const demo = await startWaitingDemo(silent);
  demo.process.kill('SIGTERM');
  assert.equal(await demo.ended(), 0, demo.stdout + demo.stderr);
  assertLines(demo.stdout, [
    /^ {2}localhost: ok, 2 calls in \d+ ms$/,
    /^demo: SIGTERM, cancelling the round; a second signal ends the demo at once$/,
    /^DroneTaskQueueException \(ERR_ROUND_CANCELLED\), with the results of 1 other drones:$/,
    new RegExp(`^  Drone 127\\.0\\.0\\.1 raised Exception cancelled in phase `),
    /^ {4}not started, dropped: run\(/,
    /^1 ticks, 1 of 2 batches ok \(failures: 1 cancelled\), 2 calls answered /,
    /^Everything went as planned\.$/,
  ]);
});

test('the demo ends at once on a second signal', async () => {
  await using silent = await SilentHost.start();
  const demo = await startWaitingDemo(silent);
  // Both wait for it until it goes on, so that the second finds it at what the first has begun.
  for (const name of ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGCONT'] as const) demo.process.kill(name);
  const status = await demo.ended();
  // Which of the two comes first is the system's choice.
  const second = demo.stdout.includes('demo: SIGINT, ') ? 'SIGTERM' : 'SIGINT';
  assert.equal(status, 128 + constants.signals[second], demo.stdout + demo.stderr);
  assertLines(demo.stdout, [/^demo: SIG(INT|TERM), cancelling the round/]);
});

function childrenOf(pid: number): number[] {
  const task = `/proc/${String(pid)}/task`;
  const lists = readdirSync(task).map(thread => readFileSync(`${task}/${thread}/children`, 'utf8'));
  return lists.flatMap(list => list.split(' ').filter(Boolean).map(Number));
}

test('the agents of the demo end with it even when it is killed', async t => {
  const demo = new Demo([], { TMPDIR: await temporaryFolder(t) }); // its servers leave their keys there
  await demo.says('tick 2,');
  const children = childrenOf(demo.process.pid ?? 0);
  assert(children.length >= 7, `${String(children.length)} children are too few for an agent per drone`);
  demo.process.kill('SIGKILL');
  assert.equal(await demo.ended(), null);
  await allGone(children);
});

const REFUSED: readonly [args: readonly string[], line: RegExp][] = [
  [['--hst', 'web1'], /^demo: Unknown option '--hst'/],
  [['web1'], /^demo: Unexpected argument 'web1'/],
  [['--host', 'a b'], /^demo: --host: expected \[user@\]host\[:port\], got 'a b'/],
  [['--host', 'web1:99999'], /^demo: --host: expected/],
  [['--host', 'web1', '--host', 'me@web1'], /^demo: --host: one host is given twice: web1, web1/],
  [['--ticks', '0'], /^demo: --ticks: expected a whole number from 1 to 9999, got '0'/],
  [['--identity', 'key'], /^demo: --identity is for hosts given with --host/],
];

test('the demo refuses bad arguments with one line and status 2', async () => {
  await Promise.all(
    REFUSED.map(async ([args, line]) => {
      const demo = new Demo(args);
      assert.equal(await demo.ended(), 2, args.join(' '));
      assert.match(demo.stderr, line);
      assert.equal(demo.stderr.trimEnd().split('\n').length, 1, demo.stderr);
      assert.equal(demo.stdout, '');
    }),
  );
});

test('the demo tells how to use it', async () => {
  const demo = new Demo(['--help']);
  assert.equal(await demo.ended(), 0);
  assertLines(demo.stdout, [
    /^npm run demo \[-- options\]$/,
    /^ {2}--host \[user@\]host\[:port\] /,
    /^ {2}--ticks n /,
    /^SIGUSR2 shows /,
  ]);
});
