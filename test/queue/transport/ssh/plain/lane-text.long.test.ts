/** The lane's text under the shells that are /bin/sh somewhere. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  callText,
  LANE_COMMAND,
  laneText,
  LEAVE,
  PING,
  REFUSED,
} from '../../../../../src/queue/transport/ssh/plain/lane-text.js';
import type { ShellCommand } from '../../../../../src/queue/transport/ssh/plain/shell-text.js';
import { leakCheck } from '../../../../support/leak-check.js';
import { allGone, isRunning, readGone } from '../../../../support/processes-left.js';
import { bash, busybox, type Shell, shell } from '../../../../support/shells.js';
import { until } from '../../../../support/until.js';

leakCheck();

const NONCE = 'a-nonce-of-this-test';
const LONG_MS = 600_000;

interface Settings {
  readonly killGraceMs?: number;
  readonly linkSilenceMs?: number;
  /** Whether it leads a group of its own. */
  readonly isDetached?: boolean;
}

/** What the commands of these tests leave running. */
const sleepers = (): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => readGone(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.startsWith('sleep\x001000.5') === true)
    .map(Number);

/** What one command printed, and its record. */
interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly record: string;
}

class LaneProcess implements AsyncDisposable {
  readonly exited: Promise<unknown[]>;
  readonly #shell: Shell;
  readonly #child: ChildProcess;
  #isReady = false;
  readonly #read = { stdout: '', stderr: '' };

  constructor(shell: Shell, { killGraceMs = 0, linkSilenceMs = LONG_MS, isDetached = true }: Settings = {}) {
    const text = /'(.*)'/.exec(LANE_COMMAND)?.[1] ?? '';
    const env = { PATH: shell.searchPath, drone_n: 'exported', drone_t: 'exported' };
    this.#shell = shell;
    this.#child = spawn(shell.path, ['-c', text], { detached: isDetached, stdio: 'pipe', env });
    this.exited = once(this.#child, 'exit');
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#child[stream]?.setEncoding('latin1').on('data', (chunk: string) => {
        this.#read[stream] += chunk;
      });
    }
    this.#child.stdin?.on('error', () => undefined);
    this.write(laneText({ nonce: NONCE, killGraceMs, linkSilenceMs }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  write(text: string | Uint8Array): void {
    this.#child.stdin?.write(text);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  async printed(what: RegExp): Promise<RegExpExecArray> {
    await until(() => what.test(this.#read.stdout));
    return what.exec(this.#read.stdout) ?? assert.fail();
  }

  send(command: ShellCommand | string, input?: string | Uint8Array): void {
    this.#read.stdout = '';
    this.#read.stderr = '';
    this.write(
      callText(typeof command === 'string' ? { script: command } : command, input) ?? assert.fail('not for a lane'),
    );
  }

  async run(command: ShellCommand | string, input?: string | Uint8Array): Promise<Ended> {
    await this.ready();
    this.send(command, input);
    const end = new RegExp(`${NONCE}(X.*)\n$`);
    await until(() => end.test(this.#read.stdout) && this.#read.stderr.endsWith(`${NONCE}Z\n`));
    const [all = '', record = ''] = end.exec(this.#read.stdout) ?? [];
    const stdout = this.#read.stdout.slice(0, -all.length);
    return { stdout, stderr: this.#read.stderr.slice(0, -`${NONCE}Z\n`.length), record };
  }

  /** Runs it until nothing was born elsewhere that might have been its own. */
  async runAlone(script: string): Promise<Ended> {
    for (;;) {
      const ended = await this.run(script);
      if (!ended.record.startsWith('XT')) return ended;
    }
  }

  async ready(): Promise<void> {
    await until(
      () => this.#isReady || (this.#read.stdout.includes(`${NONCE}R `) && this.#read.stderr.includes(`${NONCE}R\n`)),
    );
    this.#isReady = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endInput();
    await this.exited;
    await until(() => !this.#isGroupThere());
    await this.#shell[Symbol.asyncDispose]();
  }

  #isGroupThere(): boolean {
    try {
      return process.kill(-this.pid, 0);
    } catch {
      return false;
    }
  }
}

/** Script, stdout, stderr, and what the record says. */
const ENDS: readonly (readonly [script: string, stdout: string, stderr: RegExp, status: string])[] = [
  ['echo out; printf err >&2; exit 3', 'out\n', /^err$/, '3'],
  ['printf "a\\0b"', 'a\0b', /^$/, '0'],
  ['kill -s KILL $$', '', /^$/, 'SKILL'],
  ['kill -s TERM $$', '', /^$/, 'STERM'],
  ['kill -s SEGV $$', '', /^$/, 'SSEGV'],
  ['kill -s HUP $$', '', /^$/, 'SHUP'],
  ['exit 137', '', /^$/, '137'],
  // The shells do not say of these whether they were a signal.
  ['kill -s INT $$', '', /^$/, '130'],
  ['kill -s PIPE $$', '', /^$/, '141'],
  ['sh -c "kill -s KILL \\$\\$"; exit', '', /Killed/, '137'],
  ['if ; then', '', /[Ss]yntax error/, '2'],
  ['exec 1>&- 2>&-; exit 4', '', /^$/, '4'],
  ['set -e; false; echo no', '', /^$/, '1'],
  ['trap "echo bye" 0; exit 5', 'bye\n', /^$/, '5'],
  ['drone_report() { :; }; drone_n=; exit 6', '', /^$/, '6'],
  ['cat', '', /^$/, '0'],
  ['env | grep drone_; set | grep -e drone_ -e a-nonce; exit 7', '', /^$/, '7'],
  ['for n in 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$n ] || echo $n; done', '', /^$/, '0'],
  [
    'for n in INT QUIT PIPE TERM HUP USR1; do (trap "" $n); done; grep SigIgn /proc/self/status',
    'SigIgn:\t0000000000000000\n',
    /^$/,
    '0',
  ],
];

for (const make of [shell, bash, busybox]) {
  const open = async (settings?: Settings): Promise<LaneProcess> => {
    const lane = new LaneProcess(await make(), settings);
    await lane.ready();
    return lane;
  };

  test(`${make.name}: a lane tells how each command ended, one after the other`, async () => {
    await using lane = await open();
    for (const [script, stdout, stderr, status] of ENDS) {
      const ended = await lane.run(script);
      assert.equal(ended.stdout, stdout, script);
      assert.match(ended.stderr, stderr, script);
      assert.equal(/^XT? (.*)$/.exec(ended.record)?.[1], status, script);
    }
  });

  test(`${make.name}: directory, variables and input have any bytes, and the next command has none of them`, async () => {
    await using lane = await open();
    const odd = 'it\'s "$A" `B` \\n\n\u00c1\u0081\u0088 é%s !';
    const env = { A: odd, LC_ALL: 'C' };
    const all = await lane.run({ script: 'cat; pwd; printf %s "$A"', cwd: '/tmp', env }, `${odd}\n`);
    assert.equal(Buffer.from(all.stdout, 'latin1').toString(), `${odd}\n/tmp\n${odd}`);
    assert.equal((await lane.run('printf "%s" "$A"; cat')).stdout, '');
    const inArguments = await lane.run({
      script: 'tr "\\0" " " </proc/$PPID/cmdline; ps | grep -c SECRE[T]',
      env: { A: 'SECRET' },
    });
    assert.match(inArguments.stdout, /drone_t"' 0\n$|drone_t" 0\n$/);
    const nowhere = await lane.run({ script: 'echo no', cwd: '/nonexistent' });
    assert.equal(nowhere.stdout, `${NONCE}C ENOENT\n`);
    assert.match((await lane.run({ script: 'echo no', cwd: '/etc/passwd' })).stdout, /C ENOTDIR\n$/);
  });

  test(`${make.name}: what a command leaves behind is found, wherever it hides`, async () => {
    await using lane = await open();
    const hidden = [
      'sleep 1000.5 &',
      'sleep 1000.5 >/dev/null 2>&1 </dev/null &',
      'setsid sleep 1000.5 >/dev/null 2>&1 </dev/null &',
      'exec 7>&1 >/dev/null 2>&1; setsid sleep 1000.5 </dev/null &',
      '(sh -c "sh -c \\"sh -c \\\\\\"exec sleep 1000.5\\\\\\" & exit\\" & exit" &)',
    ];
    for (const script of hidden) {
      assert.match((await lane.run(script)).record, /^XT /, script);
    }
    for (const pid of sleepers()) process.kill(pid, 'SIGKILL');
    await lane.runAlone('sleep 0 & sleep 0 & wait');
  });

  test(`${make.name}: the end of its input ends a lane with all that it runs`, async () => {
    await using lane = await open({ killGraceMs: 100 });
    lane.send('trap "" TERM; (trap "" TERM; sleep 1000.5; :) & echo "<$$ $!>"; wait');
    const [, ...pids] = await lane.printed(/<(\d+) (\d+)>\n/);
    lane.endInput();
    await allGone(pids.map(Number));
  });

  test(`${make.name}: a silence ends a lane with what it runs, and a ping breaks the silence`, async () => {
    await using lane = await open({ linkSilenceMs: 2000 });
    lane.send('echo "<$$>"; exec sleep 1000.5');
    const [, pid] = await lane.printed(/<(\d+)>\n/);
    const pings = setInterval(() => lane.write(PING), 50);
    // Time itself is what is tested here.
    await delay(4000);
    clearInterval(pings);
    assert.ok(isRunning(Number(pid)));
    await lane.exited;
    await allGone([Number(pid)]);
  });

  test(`${make.name}: a lane that is let go leaves alone what lives on`, async () => {
    await using lane = await open();
    await lane.run('sleep 1000.5 >/dev/null 2>&1 &');
    lane.write(LEAVE);
    await lane.exited;
    const left = sleepers();
    assert.equal(left.length, 1);
    for (const pid of left) process.kill(pid, 'SIGKILL');
  });

  test(`${make.name}: a lane without a group of its own runs nothing`, async () => {
    await using lane = new LaneProcess(await make(), { isDetached: false });
    lane.send('echo no');
    assert.deepEqual(await lane.exited, [REFUSED, null]);
  });
}
