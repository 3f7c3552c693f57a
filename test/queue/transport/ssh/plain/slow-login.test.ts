/** Drones without an agent behind a login that takes long to start a command, or does not end with it. */
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { type DroneError, DroneTaskQueue, SshDrone } from 'drone-task-queue';
import { Told } from '../../../../contract/told.js';
import { leakCheck } from '../../../../support/leak-check.js';
import { allGone, isRunning } from '../../../../support/processes-left.js';
import { type Sshd, startSshd } from '../../../../support/sshd.js';
import { until } from '../../../../support/until.js';

let folder: string;
let sshd: Sshd;

/**
 * A login that waits for a file before each command and for another one after it, and goes on without its channel. A third
 * file makes it end without the command.
 */
const LOGIN = `#!/bin/sh
trap "" PIPE
set -- $SSH_CONNECTION
: > FOLDER/came.$3
until [ -e FOLDER/enter.$3 ] || ! [ -e FOLDER/login ]; do sleep 0.05; done
[ ! -e FOLDER/refuse.$3 ] || exit 1
/bin/sh -c "$SSH_ORIGINAL_COMMAND"
: > FOLDER/over.$3
until [ -e FOLDER/leave.$3 ] || ! [ -e FOLDER/login ]; do sleep 0.05; done
`;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slow-login-'));
  await chmod(folder, 0o777);
  const login = join(folder, 'login');
  await writeFile(login, LOGIN.replaceAll('FOLDER', folder));
  await chmod(login, 0o755);
  sshd = await startSshd({ ForceCommand: login }, 5);
});
after(async () => {
  await sshd.stop();
  await rm(folder, { recursive: true, maxRetries: 10 });
});
leakCheck();

/** One drone behind that login. */
class Host {
  readonly drone: SshDrone;
  readonly #address: string;

  constructor(at: number) {
    this.#address = sshd.addresses[at] ?? '';
    this.drone = new SshDrone(`web${String(at)}`, { ...sshd.droneOptions(this.#address), agent: 'none' });
  }

  open(...doors: ('enter' | 'leave' | 'refuse')[]): void {
    for (const door of doors) writeFileSync(this.#path(door), '');
  }

  shut(): void {
    rmSync(this.#path('enter'));
  }

  has(what: 'came' | 'over'): boolean {
    return existsSync(this.#path(what));
  }

  #path(what: string): string {
    return join(folder, `${what}.${this.#address}`);
  }
}

/** A command that has printed on both streams, and whose kill takes as long as the login does. */
class Running implements AsyncDisposable {
  readonly queue = new DroneTaskQueue({ killGraceMs: 10 });
  readonly #drone: SshDrone;
  readonly #stop = new AbortController();
  readonly #round: ReturnType<DroneTaskQueue['settle']>;
  readonly #told = new Told();
  pid = 0;

  private constructor(drone: SshDrone) {
    const command = 'echo $$; echo $$ >&2; exec sleep 1000';
    const options = { signal: this.#stop.signal, onOutput: this.#told.onOutput };
    drone.with(options).queueCall('run', command, { maxOutputBytes: 1000 });
    this.#drone = drone;
    this.#round = this.queue.settle([drone]);
  }

  static async on(host: Host): Promise<Running> {
    host.open('enter');
    const running = new Running(host.drone);
    [running.pid = 0] = await running.#told.numbers;
    return running;
  }

  /** What its cancel comes to. */
  async cancelled(): Promise<Record<'kind' | 'killed' | 'stdout' | 'stderr', unknown>> {
    this.#stop.abort();
    const { kind, killed, output } = (await this.#round).failures.get(this.#drone) as DroneError;
    return { kind, killed, stdout: output?.stdout, stderr: output?.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue.close();
    if (isRunning(this.pid)) process.kill(this.pid, 'SIGKILL');
  }
}

test('a login that is slow to start the kill: the failure keeps the output, and close waits for the kill', async () => {
  const host = new Host(0);
  host.open('leave');
  await using running = await Running.on(host);
  const { pid, queue } = running;
  host.shut();
  const printed = `${String(pid)}\n`;
  const end = await running.cancelled();
  assert.deepEqual(end, { kind: 'cancelled', killed: false, stdout: printed, stderr: printed });
  assert.equal(isRunning(pid), true);
  const closing = queue.close();
  host.open('enter');
  assert.deepEqual(await closing, { abandoned: [] });
  assert.equal(isRunning(pid), false);
});

test('a login that never gets to the kill in time: close gives it up and says so, and it takes place all the same', async () => {
  const host = new Host(1);
  await using running = await Running.on(host);
  const { pid, queue } = running;
  host.shut();
  const printed = `${String(pid)}\n`;
  const end = await running.cancelled();
  assert.deepEqual(end, { kind: 'cancelled', killed: false, stdout: printed, stderr: printed });
  const { abandoned } = await queue.close();
  const message = `the drone has not confirmed the end of process ${String(pid)} within 5000 ms of being released`;
  assert.deepEqual(abandoned, [{ what: 'agent', threadId: 0, hostname: 'web1', message }]);
  assert.equal(isRunning(pid), true);
  host.open('enter', 'leave');
  await allGone([pid]);
});

test('a login that refuses the kill that close waits for: close says so', async () => {
  const host = new Host(4);
  host.open('leave');
  await using running = await Running.on(host);
  const { pid, queue } = running;
  host.shut();
  assert.equal((await running.cancelled()).killed, false);
  const closing = queue.close();
  host.open('refuse', 'enter');
  const message = `the drone has not confirmed the end of process ${String(pid)}`;
  assert.deepEqual((await closing).abandoned, [{ what: 'agent', threadId: 0, hostname: 'web4', message }]);
});

test('a login that goes on after its command: a command that was ended is known to be, with its output', async () => {
  const host = new Host(2);
  await using running = await Running.on(host);
  const printed = `${String(running.pid)}\n`;
  // The login's shell may add what it thinks of the end.
  const { stdout, stderr, ...end } = await running.cancelled();
  assert.deepEqual(
    [stdout, String(stderr).startsWith(printed), end],
    [printed, true, { kind: 'cancelled', killed: true }],
  );
  host.open('leave');
});

test('a command that is cancelled while its login runs does not start once the login is over', async () => {
  const host = new Host(3);
  await using queue = new DroneTaskQueue({ killGraceMs: 10 });
  const stop = new AbortController();
  const started = join(folder, 'started');
  const call = queue.call(host.drone.with({ signal: stop.signal }), 'run', `: > ${started}`);
  await until(() => host.has('came'));
  stop.abort();
  await assert.rejects(call, { kind: 'cancelled', killed: false });
  host.open('enter', 'leave');
  await until(() => host.has('over'));
  assert.equal(existsSync(started), false);
});
