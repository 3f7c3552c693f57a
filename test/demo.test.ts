/** The demo as `npm run demo` runs it, piped. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { constants } from 'node:os';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { leakCheck } from './support/leak-check.js';
import { startSshd } from './support/sshd.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

leakCheck();

class Demo {
  stdout = '';
  stderr = '';
  readonly process;
  readonly #closed: Promise<unknown[]>;

  constructor(args: readonly string[] = []) {
    this.process = spawn(process.execPath, ['--import=tsx', 'demo/main.ts', ...args], { cwd: ROOT });
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#closed = once(this.process, 'close');
  }

  /** Resolves when it has written this. */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text)) await once(this.process.stdout, 'data');
  }

  /** Resolves when nobody holds its output any more, the process of its servers neither. */
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
  assertLines(demo.stdout, [
    /^drone-task-queue demo: localhost and 6 drones behind real SSH, in process \d+$/,
    /^tick 1, execute with wait: true$/,
    /^ {2}drone +calls +ms +outcome$/,
    /^tick 2, execute with wait: false$/,
    /^ {2}main-loop delay p99 [\d.]+ ms, max [\d.]+ ms; the scheduler planned \d+ jobs meanwhile$/,
    /^tick 3, /,
    /^DroneTaskQueueException \(ERR_DRONES_FAILED\), with the results of 5 other drones:$/,
    /^ {2}Drone web5 raised Exception checkDisk\('\/var\/tmp'\): Error: no space left on \/var\/tmp$/,
    /^ {2}Drone web6 raised Exception lost in phase call: /,
    /^ {4}not started, back in its queue: run\('echo cleaning up'\)$/,
    /^ {4}may have run: run\('echo running; sleep 60'\)$/,
    /^tick 4, /,
    /^ {2}web6 .* unreachable in phase connect: /,
    /^tick 5, /,
    /^ {2}web6 +4 +\d+ {2}ok$/,
    /^tick 6, /,
    /^6 ticks, 39 of 42 batches ok \(failures: 1 call, 1 lost, 1 unreachable\), /,
    /^Everything went as planned\.$/,
  ]);
  assert.equal(demo.stdout.match(/^DroneTaskQueueException/gm)?.length, 1, 'the exception is shown once');
  assert(!demo.stdout.includes('\x1b'), 'escape codes in a pipe');
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
    /^ {2}Drone 127\.0\.0\.1:1 raised Exception unreachable in phase connect: /,
    /^Not as planned:$/,
    /^ {2}tick 1, 127\.0\.0\.1:1: unreachable instead of ok$/,
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

  get name(): string {
    return `127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Its first tick waits for the silent host, and has the results of localhost. */
async function startWaitingDemo({ name }: SilentHost): Promise<Demo> {
  const demo = new Demo(['--host', 'localhost', '--host', name, '--ticks', '1000']);
  await demo.says('  ok\n');
  return demo;
}

test('the demo shows on SIGUSR2 which drones are waited for, and goes on', async () => {
  await using silent = await SilentHost.start();
  const demo = await startWaitingDemo(silent);
  demo.process.kill('SIGUSR2');
  await demo.says('1 drones in flight');
  demo.process.kill('SIGINT');
  assert.equal(await demo.ended(), 0, demo.stdout + demo.stderr);
  const [line = ''] = /^ {2}\S+: in phase .*$/m.exec(demo.stdout) ?? [];
  assert(line.startsWith(`  ${silent.name}: in phase `), demo.stdout);
  assert.match(line, /: in phase (connect|handshake) for \d+ ms, next is run\("echo 'tick 1 on /);
});

test('the demo cancels its round on a signal, shows what has arrived, and ends', async () => {
  await using silent = await SilentHost.start();
  const demo = await startWaitingDemo(silent);
  demo.process.kill('SIGTERM');
  assert.equal(await demo.ended(), 0, demo.stdout + demo.stderr);
  assertLines(demo.stdout, [
    /^ {2}localhost .* {2}ok$/,
    /^demo: SIGTERM, cancelling the round; a second signal ends the demo at once$/,
    /^The round was cancelled, with the results of 1 other drones:$/,
    new RegExp(`^  Drone ${silent.name} raised Exception cancelled in phase `),
    /^ {4}not started, back in its queue: run\(/,
    /^0 ticks, /,
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

test('the servers of the demo end with it even when it is killed', async () => {
  const demo = new Demo();
  await demo.says('tick 1,');
  demo.process.kill('SIGKILL');
  // They hold its output too: without their end this would not come.
  assert.equal(await demo.ended(), null);
});

const REFUSED: readonly [args: readonly string[], line: RegExp][] = [
  [['--hst', 'web1'], /^demo: Unknown option '--hst'/],
  [['web1'], /^demo: Unexpected argument 'web1'/],
  [['--host', 'a b'], /^demo: --host: expected \[user@\]host\[:port\], got 'a b'/],
  [['--host', 'web1:99999'], /^demo: --host: expected/],
  [['--host', 'web1', '--host', 'me@web1'], /^demo: --host: web1 is given twice/],
  [['--ticks', '0'], /^demo: --ticks: expected a whole number from 1 to 1000, got '0'/],
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
