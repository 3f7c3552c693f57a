/** What a `run` leaves in the background with its output open, over SSH with and without an agent, and on localhost. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before, type TestContext } from 'node:test';
import { type Drone, DroneTaskQueue, LocalDrone, SshDrone } from 'drone-task-queue';
import { leakCheck } from '../../../support/leak-check.js';
import { allGone, isRunning, readGone, temporaryFolder } from '../../../support/processes-left.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';
import { until } from '../../../support/until.js';

let sshd: Sshd;

before(async () => {
  sshd = await startSshd();
});
after(() => sshd.stop());
leakCheck();

const DRONES: Readonly<Record<string, () => Drone>> = {
  'without an agent': () => new SshDrone('web1', { ...sshd.droneOptions(), agent: 'none' }),
  'with an agent': () => new SshDrone('web1', sshd.droneOptions()),
  'on localhost': () => new LocalDrone(),
};

/** More than the wait for the end of an output; the call would time out, were the command's exit not its end. */
const MUCH_LATER_MS = 60_000;

const WRITERS: Readonly<Record<string, string>> = {
  'ten lines a second': 'while echo line; do sleep 0.1; done',
  'lines to stderr': 'while echo line >&2; do sleep 0.05; done',
  'a hundred kilobytes a second': 'while printf %05000d 1; do sleep 0.05; done',
  'as much as it can': 'yes',
};

for (const [mode, newDrone] of Object.entries(DRONES)) {
  test(`a run ends with its command though a child writes on: ${mode}`, async () => {
    await using queue = new DroneTaskQueue();
    const drone = newDrone();
    for (const [what, writer] of Object.entries(WRITERS)) {
      const script = `(${writer}) & echo "<$$ $!>"; echo err >&2; exit 3`;
      const ran = queue.call(drone.with({ timeoutMs: MUCH_LATER_MS }), 'run', script, { maxOutputBytes: 16_000_000 });
      const { exitCode, stdout, stderr } = await ran;
      const [, group, pid] = /<(\d+) (\d+)>/.exec(stdout) ?? [];
      assert(isRunning(Number(pid)), what);
      assert.equal(exitCode, 3, what);
      assert.match(stderr, /^err$/m, what);
      const { stderr: trouble } = await queue.call(drone, 'run', `kill -s KILL -- -${String(group)}`);
      assert.equal(trouble, '');
      await allGone([Number(pid)]);
    }
  });
}

/** Counts in a file the rounds in which it could write more than a pipe holds in ten of them. */
const rounds = (file: string): string =>
  `n=0; while printf %020000d 1 && printf %020000d 1 >&2; do n=$((n+1)); echo $n >${file}; sleep 0.01; done`;

/** How the command leaves the writer, `$w`, behind. */
const LEAVE: Readonly<Record<string, string>> = {
  'in the background': 'sh -c "$w" &',
  'in a session of its own': 'setsid sh -c "$w" &',
  'under nohup': 'nohup sh -c "$w" </dev/null &',
  'as an orphan': '(sh -c "$w" & )',
};

for (const [mode, newDrone] of Object.entries(DRONES)) {
  test(`what a run leaves behind writes on after the queue has closed: ${mode}`, async t => {
    const folder = await writersFolder(t);
    const files = Object.keys(LEAVE).map((_how, at) => join(folder, `count-${String(at)}`));
    const grown = async (): Promise<void> => {
      const before = files.map(countIn);
      await until(() => files.every((file, at) => countIn(file) >= (before[at] ?? 0) + 20));
    };
    await using queue = new DroneTaskQueue();
    const drone = newDrone();
    const parent = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    for (const [at, leave] of Object.values(LEAVE).entries()) {
      const file = files[at] ?? '';
      const script = `w='${rounds(file)}'\n${leave}\nuntil [ -s ${file} ]; do sleep 0.01; done`;
      assert.equal((await queue.call(drone, 'run', script, { maxOutputBytes: 100 })).exitCode, 0);
    }
    await grown();
    assert.equal((await queue.call(drone, 'run', 'echo next')).stdout, 'next\n');
    await until(() => readersOf(writers(folder), parent).length === 2 * files.length);
    const readers = readersOf(writers(folder), parent);
    await queue.close();
    await grown();
    await endWriters(folder);
    await allGone(readers);
  });
}

test('more commands than the server has sessions each leave something behind', async t => {
  const folder = await writersFolder(t);
  await using server = await startSshd({ MaxSessions: '2' });
  await using queue = new DroneTaskQueue();
  const drone = new SshDrone('web1', { ...server.droneOptions(), agent: 'none' });
  const files = Array.from({ length: 5 }, (_each, at) => join(folder, String(at)));
  for (const file of files)
    drone.queueCall('run', `sh -c '${rounds(file)}' & until [ -s ${file} ]; do sleep 0.01; done`);
  await queue.execute([drone]);
  assert.equal((await queue.call(drone, 'run', 'echo next')).stdout, 'next\n');
  await queue.close();
  const before = files.map(countIn);
  await until(() => files.every((file, at) => countIn(file) >= (before[at] ?? 0) + 20));
});

test('what is left behind lives on though it redirects its output all the time', async t => {
  const folder = await writersFolder(t);
  await using queue = new DroneTaskQueue();
  const drone = new SshDrone('web1', { ...sshd.droneOptions(), agent: 'none' });
  const files = Array.from({ length: 8 }, (_each, at) => join(folder, String(at)));
  for (const file of files) {
    const writer = `while echo x && echo x >&2; do echo x >>${file} 2>/dev/null; done`;
    drone.queueCall('run', `sh -c '${writer}' & until [ -s ${file} ]; do sleep 0.01; done`);
  }
  await queue.execute([drone]);
  await queue.close();
  const sizes = (): readonly number[] => files.map(file => statSync(file).size);
  const before = sizes();
  await until(() => sizes().every((size, at) => size > (before[at] ?? 0)));
});

const countIn = (file: string): number => Number(readGone(() => readFileSync(file, 'utf8')) ?? 0);

/** The user who logs in can write there. What its writers leave running is ended before it is removed. */
async function writersFolder(t: TestContext): Promise<string> {
  const made: string[] = [];
  t.after(() => Promise.all(made.map(endWriters)));
  const folder = await temporaryFolder(t);
  made.push(folder);
  await chmod(folder, 0o777);
  return folder;
}

const pidsNow = (): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number);

const commandLine = (pid: number): string => readGone(() => readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8')) ?? '';

function writers(folder: string): number[] {
  return pidsNow().filter(pid => commandLine(pid).includes(folder));
}

async function endWriters(folder: string): Promise<void> {
  const pids = writers(folder);
  for (const pid of pids) readGone(() => process.kill(pid, 'SIGKILL'));
  await allGone(pids);
}

/** Each `cat` that reads a pipe of a writer's, or that the agent has started. */
function readersOf(writing: readonly number[], agent: number): number[] {
  const pipes = new Set(writing.flatMap(pid => [1, 2].map(fd => linkOf(pid, fd))));
  const isReader = (pid: number): boolean => pipes.has(linkOf(pid, 0)) || parentOf(pid) === agent;
  return pidsNow().filter(pid => commandLine(pid).startsWith('cat\0') && isReader(pid));
}

function linkOf(pid: number, fd: number): string {
  return readGone(() => readlinkSync(`/proc/${String(pid)}/fd/${String(fd)}`)) ?? '';
}

function parentOf(pid: number): number {
  return Number(
    readGone(() => readFileSync(`/proc/${String(pid)}/stat`, 'utf8'))
      ?.split(') ')[1]
      ?.split(' ')[1],
  );
}
