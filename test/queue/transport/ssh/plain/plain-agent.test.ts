/** Drones without Node, through the task queues, against a real OpenSSH server. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import {
  type CallOptions,
  type DroneError,
  type DroneTaskQueueException,
  DroneTaskQueue,
  type RunOptions,
  type RunResult,
  SshDrone,
  type SshDroneOptions,
  type TaskQueueOptions,
  ThreadedTaskQueue,
} from 'drone-task-queue';
import { startSshServer } from 'drone-task-queue/testing';
import { isRunning, temporaryFolder } from '../../../../support/processes-left.js';
import { leakCheck } from '../../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../../support/sshd.js';

let sshd: Sshd;

before(async () => {
  sshd = await startSshd();
});
after(() => sshd.stop());
leakCheck();

function plain(server: Sshd = sshd, options: Omit<SshDroneOptions, 'via'> = {}): SshDrone {
  return new SshDrone('web1', { ...server.droneOptions(), agent: 'none', ...options });
}

/** Queues a method of the user's own. */
function queueOwn(drone: SshDrone, method: string): unknown {
  return (drone as unknown as { queueCall(method: string): unknown }).queueCall(method);
}

/** Collects what drones warn of. */
function queueWith(options: TaskQueueOptions = {}): { queue: DroneTaskQueue; warnings: string[] } {
  const warnings: string[] = [];
  const ignore = (): void => undefined;
  const log = { debug: ignore, info: ignore, error: ignore, warn: (message: string) => warnings.push(message) };
  return { queue: new DroneTaskQueue({ ...options, log }), warnings };
}

async function failureOf(queue: DroneTaskQueue, drone: SshDrone): Promise<DroneError> {
  const { failures } = await queue.settle([drone]);
  const failure = failures.get(drone);
  assert(failure, 'the drone did not fail');
  return failure;
}

/** A command with a child, which tells both pids. */
const WITH_CHILD = 'sleep 1000 & echo $$ $!; echo note >&2; sleep 1000';

/** Aborts once the command has said something; so it certainly runs. */
function abortedAtOutput(): CallOptions {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onOutput: stream => {
      if (stream === 'stderr') controller.abort();
    },
  };
}

function pidsIn(failure: DroneError): number[] {
  const pids = (failure.output?.stdout ?? '').trim().split(' ').map(Number);
  assert(pids.length === 2 && pids.every(pid => pid > 1), failure.output?.stdout);
  return pids;
}

const RUNS: readonly (readonly [command: string, options?: RunOptions])[] = [
  ['echo out; echo err >&2; exit 3'],
  ['kill -9 $$'],
  ['kill -TERM $$'],
  ['cat'],
  ['cat; echo end', { stdin: "it's\ntext" }],
  ['od -An -tx1', { stdin: Uint8Array.of(0, 10, 255) }],
  ['exec <&-; echo done', { stdin: 'x'.repeat(4_000_000) }],
  ['pwd; echo "$A$B"', { cwd: '/usr', env: { A: 'a\n', B: "'!\\" } }],
  ['pwd', { cwd: '.' }],
  ['echo $0 $#; echo ~'],
  ['if', {}],
  ['no-such-command-at-all'],
  ['head -c 100000 /dev/zero | tr "\\0" x; printf 12345 >&2', { maxOutputBytes: 20 }],
  ['head -c 3000000 /dev/zero; echo >&2', { maxOutputBytes: 4_000_000 }],
  ["printf 'no newline'; echo 'ü ! \\ %d' >&2\n\n"],
  ['sleep 1000 >/dev/null 2>&1 & kill $!'],
];

test('each command gives the same without an agent as with one', async () => {
  await using queue = new ThreadedTaskQueue();
  const drones = [new SshDrone('web1', sshd.droneOptions()), plain()];
  for (const drone of drones) for (const [command, options] of RUNS) drone.queueCall('run', command, options);
  const results = await queue.execute(drones);
  const [withAgent = [], without = []] = drones.map(drone =>
    (results.get(drone) as RunResult[]).map(({ durationMs, ...rest }) => {
      assert(durationMs >= 0);
      return rest;
    }),
  );
  for (const [at, run] of RUNS.entries()) assert.deepEqual(without[at], withAgent[at], run[0].slice(0, 80));
});

const BAD_RUNS: readonly (readonly [command: unknown, options?: unknown])[] = [
  [''],
  ['a\0b'],
  [7],
  ['ls', { timeout: 5 }],
  ['ls', { env: { A: 5 } }],
  ['ls', { cwd: '/no/such/folder' }],
  ['ls', { cwd: '/etc/passwd' }],
  ['echo out; echo why >&2; exit 3', { check: true }],
  ['ls', { check: 1 }],
  [`: ${'x'.repeat(200_000)}`],
];

test('what cannot be run fails with the same kind and code without an agent as with one', async () => {
  const { queue } = queueWith();
  await using _ = queue;
  const drones = [new SshDrone('web1', sshd.droneOptions()), plain()];
  for (const [command, options] of BAD_RUNS) {
    const failures: unknown[] = [];
    for (const drone of drones) {
      drone.queueCall('run', command as string, options as RunOptions);
      const { kind, cause } = await failureOf(queue, drone);
      const { name, code } = cause as NodeJS.ErrnoException;
      failures.push({ kind, name, code });
    }
    assert.deepEqual(failures[1], failures[0], JSON.stringify([command, options]).slice(0, 80));
  }
});

test('the built-in methods give the same without an agent as with one', async t => {
  const { queue, warnings } = queueWith();
  await using _ = queue;
  const values: unknown[] = [];
  for (const drone of [new SshDrone('web1', sshd.droneOptions()), plain()]) {
    const folder = await temporaryFolder(t);
    await chmod(folder, 0o777);
    const at = (name: string): string => join(folder, name);
    const initialized = drone.queueCall('initialize', at('results'));
    const written = drone.queueCall('writeFile', at('new/file'), 'text');
    const appended = drone.queueCall('appendToFile', at('new/file'), Uint8Array.of(0, 255));
    const copied = drone.queueCall('copyFileOrDirectory', at('new'), at('copy'));
    const started = drone.queueCall('executeCommand', ['sh', '-c', 'echo out; exit 3'], {
      workingDirectory: at('work'),
      pidfileName: 'pid',
      logFile: 'log',
    });
    const own = await temporaryFolder(t);
    await mkdir(join(own, 'tree', 'empty'), { recursive: true });
    await writeFile(join(own, 'tree', 'file'), 'x'.repeat(300_000));
    await symlink('file', join(own, 'tree', 'link'));
    const transfers = [
      drone.queueCall('putFile', join(own, 'tree', 'file'), `${at('put')}/`),
      drone.queueCall('getFile', at('put/file'), join(own, 'got'), { mode: 0o600 }),
      drone.queueCall('putDirectory', join(own, 'tree'), at('tree')),
      drone.queueCall('getDirectory', at('tree'), join(own, 'back')),
    ];
    const results = await queue.execute([drone]);
    const { pid } = started.valueIn(results);
    let pidfile = '';
    while (pidfile.split('\n').length < 3) {
      const { pidfiles, processes, unreadable } = await queue.call(drone, 'refresh', [at('work/pid'), at('none')]);
      pidfile = pidfiles[at('work/pid')] ?? '';
      assert.deepEqual([Object.keys(pidfiles), unreadable], [[at('work/pid')], {}]);
      assert.ok(processes.length > 1);
    }
    const listed = await queue.call(
      drone,
      'run',
      `cd ${folder}; find . -type f -exec ls -l {} + | cut -c1-10; find . | sort`,
    );
    values.push([
      [initialized, written, appended, copied].map(call => call.valueIn(results)),
      pidfile.replace(String(pid), 'pid'),
      (await readFile(at('work/log'), 'utf8')).replace(/\d{4}-\S+Z/, 'date'),
      await readFile(at('copy/file')),
      listed.stdout,
      transfers.map(call => call.valueIn(results)),
      (await readFile(join(own, 'got'))).byteLength,
      (await readdir(join(own, 'back'))).sort(),
    ]);
  }
  assert.deepEqual(values[1], values[0]);
  assert.deepEqual(warnings, []);
});

test('executeCommand on a drone without setsid starts nothing and says what is missing', async t => {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o777);
  const login = join(folder, 'login');
  const hidden = "sed -u 's/command -v setsid/command -v none/g'";
  await writeFile(login, `#!/bin/sh\n${hidden} | /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n`, { mode: 0o755 });
  await using server = await startSshd({ ForceCommand: login }, 1);
  const { queue } = queueWith();
  await using _ = queue;
  const drone = plain(server);
  drone.queueCall('executeCommand', ['true'], { workingDirectory: folder, pidfileName: 'pid' });
  const failure = await failureOf(queue, drone);
  assert.deepEqual([failure.kind, failure.causeCode], ['call', 'ERR_NO_SETSID']);
  assert.match(failure.message, /cannot start .*true: the drone has no setsid/);
  assert.deepEqual(await readdir(folder), ['login']);
});

test('a method whose time is up is ended with what it runs, and leaves nothing behind', async t => {
  const { queue } = queueWith({ killGraceMs: 500 });
  await using _ = queue;
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o777);
  const drone = plain();
  // To open a pipe waits for its reader.
  await queue.call(drone, 'run', `mkfifo ${folder}/pipe`);
  drone.with({ timeoutMs: 300 }).queueCall('appendToFile', `${folder}/pipe`, 'text');
  const failure = await failureOf(queue, drone);
  assert.deepEqual([failure.kind, failure.killed], ['timeout', true]);
  const { stdout } = await queue.call(drone, 'run', `ps -eo args | grep -v grep | grep -c ${folder}; ls -A ${folder}`);
  assert.equal(stdout, '0\npipe\n');
});

test('the environment of the drone reaches its commands, that of a call goes before', async () => {
  const { queue } = queueWith();
  await using _ = queue;
  const drone = plain(sshd, { env: { ONE: 'drone', TWO: 'drone' } });
  const { stdout } = await queue.call(drone, 'run', 'echo $ONE $TWO', { env: { TWO: 'call' } });
  assert.equal(stdout, 'drone call\n');
});

test('a child in the background that keeps stdout open does not keep the call, nor its channel', async () => {
  await using server = await startSshd({ MaxSessions: '1' });
  const { queue, warnings } = queueWith({ killGraceMs: 100 });
  await using _ = queue;
  const drone = plain(server);
  const pids = [drone, drone].map(each => each.queueCall('run', 'sleep 1000 & echo $!'));
  const results = await queue.execute([drone]);
  for (const call of pids) {
    const pid = Number(call.valueIn(results).stdout);
    assert(isRunning(pid));
    drone.queueKillProcess({ hostname: drone.hostname, pid });
  }
  assert.deepEqual((await queue.execute([drone])).get(drone), []);
  for (const call of pids) assert(!isRunning(Number(call.valueIn(results).stdout)));
  assert.deepEqual(warnings, []);
});

test('a process that the drone may not end is a warning, and left alone', async () => {
  const { queue, warnings } = queueWith();
  await using _ = queue;
  // Not of the user who logs in, where these tests are run by root; else there is nothing that could be refused.
  const foreign = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  using _end = { [Symbol.dispose]: () => foreign.kill('SIGKILL') };
  const { pid = 0 } = foreign;
  const drone = plain();
  assert.deepEqual(await queue.call(drone, 'killProcesses', [{ hostname: drone.hostname, pid: 1 }]), [
    { pid: 1, killed: false },
  ]);
  assert.match(warnings.splice(0).join(), /process 1 was not killed/);
  if (sshd.user === userInfo().username) return;
  drone.queueKillProcess({ hostname: drone.hostname, pid });
  await queue.execute([drone]);
  assert(isRunning(pid));
  assert.match(warnings.join(), /was not killed: the drone may not signal it/);
});

for (const MaxSessions of ['10', '2', '1']) {
  test(`a cancelled command is ended with its children where the server allows ${MaxSessions} sessions`, async () => {
    await using server = await startSshd({ MaxSessions });
    // Not used up, as the command obeys; the kill may take as long on a busy machine.
    const { queue, warnings } = queueWith({ killGraceMs: 60_000 });
    await using _ = queue;
    const drone = plain(server);
    drone.queueCall('run', 'echo before');
    drone.with(abortedAtOutput()).queueCall('run', WITH_CHILD, { maxOutputBytes: 1000 });
    const later = drone.queueCall('run', 'echo later');
    const failure = await failureOf(queue, drone);
    assert.equal(failure.kind, 'cancelled');
    assert.equal(failure.killed, true);
    assert.equal(failure.output?.stderr, 'note\n');
    assert.deepEqual(failure.notStarted, [later]);
    assert.equal(failure.completed.length, 1);
    assert.deepEqual(pidsIn(failure).filter(isRunning), []);
    assert.deepEqual(warnings, []);
    assert.equal(later.valueIn(await queue.execute([drone])).stdout, 'later\n');
  });
}

test('a command whose connection is lost: the failure keeps the output', async () => {
  await using server = await startSshServer();
  const { queue } = queueWith();
  await using _ = queue;
  const drone = new SshDrone('web1', { ...server.droneOptions(), agent: 'none' });
  const onOutput = (): void => server.dropConnections();
  drone.with({ onOutput }).queueCall('run', 'echo $$; exec sleep 1000', { maxOutputBytes: 1000 });
  const { kind, killed, output } = await failureOf(queue, drone);
  assert.deepEqual([kind, killed], ['lost', undefined]);
  const pid = Number(output?.stdout);
  assert.ok(pid > 1);
  if (isRunning(pid)) process.kill(pid, 'SIGKILL');
});

test('a command whose time is up is ended', async () => {
  // It may be up before the login has started the command, which is waited for as long.
  const { queue } = queueWith({ killGraceMs: 60_000 });
  await using _ = queue;
  const drone = plain();
  drone.with({ timeoutMs: 200 }).queueCall('run', 'exec sleep 1000');
  const failure = await failureOf(queue, drone);
  assert.equal(failure.kind, 'timeout');
  assert.equal((failure.cause as NodeJS.ErrnoException).code, 'ERR_CALL_TIMEOUT');
  assert.equal(failure.killed, true);
});

test('the end of the queue ends the commands that run', async () => {
  const queue = new ThreadedTaskQueue({ killGraceMs: 50 });
  const drone = plain();
  const output = new EventEmitter();
  const said = once(output, 'said');
  const onOutput = (_stream: string, chunk: Uint8Array): void => {
    output.emit('said', Buffer.from(chunk).toString());
  };
  drone.with({ onOutput }).queueCall('run', 'echo $$; exec sleep 1000');
  await queue.execute([drone], { wait: false });
  const pid = Number((await said)[0]);
  const failed = assert.rejects(queue.waitOnDrones());
  await queue.close({ graceMs: 0 });
  await failed;
  assert(!isRunning(pid));
});

test('more calls than channels wait for their turn, and each of them runs', async () => {
  for (const MaxSessions of ['10', '2', '1']) {
    await using server = await startSshd({ MaxSessions });
    const { queue } = queueWith();
    await using _ = queue;
    const drone = plain(server);
    const runs = Array.from({ length: 20 }, (_each, at) => queue.call(drone, 'run', `sleep 0.05; echo ${String(at)}`));
    const said = (await Promise.all(runs)).map(({ stdout }) => Number(stdout));
    assert.deepEqual(
      said,
      Array.from({ length: 20 }, (_each, at) => at),
    );
  }
});

test('fifty commands of a batch run one after the other where the server allows one session', async () => {
  await using server = await startSshd({ MaxSessions: '1' });
  const { queue } = queueWith();
  await using _ = queue;
  const drone = plain(server);
  const calls = Array.from({ length: 50 }, (_each, at) => drone.queueCall('run', `echo ${String(at)}`));
  const results = await queue.execute([drone]);
  for (const [at, call] of calls.entries()) assert.equal(call.valueIn(results).stdout, `${String(at)}\n`);
});

test('with an agent one session is enough for fifty calls on one connection', async () => {
  await using server = await startSshd({ MaxSessions: '1' });
  const { queue } = queueWith();
  await using _ = queue;
  const drone = new SshDrone('web1', server.droneOptions());
  const calls = Array.from({ length: 50 }, () => drone.queueCall('run', 'echo $PPID $SSH_CONNECTION'));
  const results = await queue.execute([drone]);
  assert.equal(new Set(calls.map(call => call.valueIn(results).stdout)).size, 1);
});

test('a server that starts no command says so in the failure, and later calls have not run', async () => {
  await using server = await startSshd({ MaxSessions: '0' });
  const { queue } = queueWith();
  await using _ = queue;
  const drone = plain(server);
  drone.queueCall('run', 'true');
  const later = drone.queueCall('run', 'true');
  const failure = await failureOf(queue, drone);
  assert.equal(failure.kind, 'call');
  assert.match(String(failure.cause), /did not start a command: Channel open failure/);
  assert.deepEqual(failure.notStarted, [later]);
});

test('what a login script prints is not taken for the output, and what it prints instead of a start is reported', async () => {
  await using noisy = await startSshd({
    ForceCommand: 'echo noise; printf trouble >&2; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"',
  });
  await using closed = await startSshd({ ForceCommand: 'echo This account is currently not available.; exit 1' });
  const { queue } = queueWith();
  await using _ = queue;
  const { stdout, stderr } = await queue.call(plain(noisy), 'run', 'echo own; echo words >&2');
  assert.deepEqual({ stdout, stderr }, { stdout: 'own\n', stderr: 'words\n' });
  const drone = plain(closed);
  drone.queueCall('run', 'true');
  const failure = await failureOf(queue, drone);
  assert.match(String(failure.cause), /ended with status 1 before the command: "This account is currently not/);
});

test('a method without an agent that is nearly a built-in one is answered with the name that was meant', async () => {
  const { queue } = queueWith();
  await using _ = queue;
  const drone = plain();
  queueOwn(drone, 'putFiles');
  assert.match(
    String((await failureOf(queue, drone)).cause),
    /: 'putFiles' is not a built-in method \(did you mean 'putFile'\?\), and web1 is set to agent: 'none'; without an/,
  );
});

test("a batch with a method of the user's own fails before anything of it runs", async t => {
  const { queue } = queueWith({ killGraceMs: 50 });
  await using _ = queue;
  const drone = plain();
  const pid = Number((await queue.call(drone, 'run', 'sleep 1000 & echo $!')).stdout);
  const file = join(await temporaryFolder(t), 'ran');
  drone.queueKillProcess({ hostname: drone.hostname, pid });
  const first = drone.queueCall('run', `touch ${file}`);
  const flashing = queueOwn(drone, 'flash');
  const last = drone.queueCall('run', 'true');
  const failure = await failureOf(queue, drone);
  assert.equal(failure.kind, 'call');
  assert.equal(failure.call, flashing);
  assert.match(
    String(failure.cause),
    /flash needs an agent, and web1 is set to agent: 'none'; without an agent only the built-in methods work/,
  );
  assert.equal((failure.cause as NodeJS.ErrnoException).code, 'ERR_NO_AGENT');
  assert.deepEqual(failure.notStarted, [first, last]);
  assert.deepEqual([failure.completed, failure.mayHaveRun], [[], []]);
  assert.deepEqual(drone.getCalls(), [first, last]);
  assert(isRunning(pid), 'the kill has run');
  drone.clearCallQueue();
  await queue.execute([drone]);
  assert(!isRunning(pid), 'the kill was lost');
});

test('output comes while the command runs', async () => {
  const { queue } = queueWith();
  await using _ = queue;
  const drone = plain();
  const said = { stdout: '', stderr: '' };
  const onOutput = (stream: 'stdout' | 'stderr', chunk: Uint8Array): void => {
    said[stream] += Buffer.from(chunk).toString();
  };
  const call = drone.with({ onOutput }).queueCall('run', 'echo one; echo two >&2; head -c 1000000 /dev/zero', {
    maxOutputBytes: 2_000_000,
  });
  const { stdout, stderr } = call.valueIn(await queue.execute([drone]));
  assert.deepEqual({ stdout, stderr }, said);
  assert.equal(stdout.length, 1_000_004);
});

test('a command waits for a consumer that does not return, and can be ended then', async () => {
  const { queue } = queueWith({ killGraceMs: 50 });
  await using _ = queue;
  const drone = plain();
  const stop = new AbortController();
  let delivered = 0;
  const onOutput = (_stream: string, chunk: Uint8Array): Promise<void> => {
    delivered += chunk.byteLength;
    setTimeout(() => {
      stop.abort();
    }, 200);
    return new Promise(() => undefined);
  };
  drone.with({ onOutput, signal: stop.signal }).queueCall('run', 'yes');
  const failure = await failureOf(queue, drone);
  assert.deepEqual([failure.kind, failure.killed], ['cancelled', true]);
  assert.ok(delivered > 0 && delivered <= 64 * 1024, `delivered: ${String(delivered)}`);
});

test('a connection that is lost leaves the commands that were sent in doubt', async () => {
  await using server = await startSshServer();
  const { queue } = queueWith();
  await using _ = queue;
  const drone = new SshDrone('web1', { ...server.droneOptions(), agent: 'none' });
  const onOutput = (): void => {
    server.dropConnections();
  };
  const first = drone.with({ onOutput }).queueCall('run', 'echo $$; exec sleep 1000');
  const second = drone.queueCall('run', 'true');
  const failure = await failureOf(queue, drone);
  assert.equal(failure.kind, 'lost');
  assert.deepEqual(failure.mayHaveRun, [first, second]);
});

test('an agent is started where there is a Node, and where there is none commands run without', async t => {
  const { queue } = queueWith();
  await using _ = queue;
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o777);
  const withNode = plain(sshd, { agent: 'auto' });
  await queue.call(withNode, 'appendToFile', join(folder, 'text'), 'text');
  assert.equal((await queue.call(withNode, 'run', `cat ${folder}/text`)).stdout, 'text');
  for (const MaxSessions of ['10', '1']) {
    await using server = await startSshd({ MaxSessions });
    const without = plain(server, { agent: 'auto', agentCommand: '/no/such/node' });
    assert.equal((await queue.call(without, 'run', 'echo plain')).stdout, 'plain\n');
    queueOwn(without, 'flash');
    assert.match(String((await failureOf(queue, without)).cause), /flash needs an agent, and web1 has no Node;/);
  }
});

test('a Node that is there and does not start an agent is a failure', async () => {
  const { queue } = queueWith();
  await using _ = queue;
  const drone = plain(sshd, { agent: 'auto', agentCommand: 'sh -c "echo broken >&2; exit 1" ' });
  const call = drone.queueCall('run', 'true');
  const failure = await failureOf(queue, drone);
  assert.equal(failure.kind, 'bootstrap');
  assert.match(failure.message, /broken/);
  assert.deepEqual(failure.notStarted, [call]);
});

test('the command that starts the agent is a path, or a wrapper with arguments', async t => {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o755);
  const wrapper = join(folder, 'as-user');
  await writeFile(wrapper, '#!/bin/sh\n[ "$1" = -u ] || exit 1\nUSED_BY=$2; export USED_BY\nshift 2\nexec "$@"\n');
  await chmod(wrapper, 0o755);
  const { queue } = queueWith();
  await using _ = queue;
  const path = (await queue.call(plain(), 'run', `command -v ${sshd.droneOptions().agentCommand ?? ''}`)).stdout.trim();
  assert(path.startsWith('/'), path);
  const byPath = new SshDrone('web1', { ...sshd.droneOptions(), agentCommand: path });
  assert.equal((await queue.call(byPath, 'run', 'echo by "$USED_BY"')).stdout, 'by \n');
  const wrapped = new SshDrone('web1', { ...sshd.droneOptions(), agentCommand: `${wrapper} -u build ${path}` });
  assert.equal((await queue.call(wrapped, 'run', 'echo by "$USED_BY"')).stdout, 'by build\n');
});

test('an unknown word for the use of an agent is refused', () => {
  assert.throws(() => plain(sshd, { agent: 'never' as 'none' }), {
    code: 'ERR_INVALID_ARG',
    message: /agent is 'never', expected 'node', 'auto' or 'none'/,
  });
});

test('without an agent the exception of a round is as with one', async () => {
  await using queue = new ThreadedTaskQueue();
  const drone = plain();
  const well = drone.queueCall('run', 'true');
  queueOwn(drone, 'flash');
  await assert.rejects(queue.execute([drone]), (error: DroneTaskQueueException) => {
    assert.equal(error.code, 'ERR_DRONES_FAILED');
    assert.throws(() => well.valueIn(error), { code: 'ERR_NO_VALUE' });
    return true;
  });
});
