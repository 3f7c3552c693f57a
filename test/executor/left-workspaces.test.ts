/** Workspaces of executors that were killed go, and no others. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeWorkspace, removeLeftWorkspaces } from '../../src/executor/left-workspaces.js';
import { silentLog } from '../../src/report/log.js';
import { leakCheck } from '../support/leak-check.js';
import { isRunning } from '../support/processes-left.js';
import { benchIn, until } from './executors.js';
import { Workshop } from './repositories.js';

leakCheck();

const EXECUTOR_PROCESS = fileURLToPath(new URL('./programs/executor-process.js', import.meta.url));
const NEVER = new AbortController().signal;

/** A process with an executor whose job runs, and the name of that job's workspace. */
interface OtherExecutor extends Disposable {
  readonly child: ChildProcess;
  readonly workspace: string;
  letGo(): void;
}

async function otherExecutor(workshop: Workshop, name: string): Promise<OtherExecutor> {
  const [place, goOn] = ['place', 'go-on'].map(what => join(workshop.folder, `${name}-${what}`)) as [string, string];
  const command = `mkdir -p deep/er; pwd >${place}.part; mv ${place}.part ${place}; until [ -e ${goOn} ]; do sleep 0.05; done; ls deep`;
  const args = [EXECUTOR_PROCESS, join(workshop.folder, `${name}-cache`), workspacesOf(workshop), command];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  await until('the job', () => existsSync(place));
  const letGo = (): void => writeFileSync(goOn, '');
  // The agent ends the command when its controller is gone.
  const end = (): void => void child.kill('SIGKILL');
  return { child, workspace: basename(readFileSync(place, 'utf8').trim()), letGo, [Symbol.dispose]: end };
}

/** It stays as a zombie: its parent does not reap it. */
function hasEnded(pid: string): boolean {
  return pid !== '' && !isRunning(Number(pid));
}

function workspacesOf(workshop: Workshop): string {
  return join(workshop.folder, 'workspaces');
}

test('the workspace of an executor that was killed goes at the next start, that of one that lives stays', async () => {
  const workshop = new Workshop();
  using living = await otherExecutor(workshop, 'living');
  using killed = await otherExecutor(workshop, 'killed');
  assert.deepEqual(readdirSync(workspacesOf(workshop)).sort(), [living.workspace, killed.workspace].sort());
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  await using all = benchIn(workshop);
  await until('the removal', () => !existsSync(join(all.workspaces, killed.workspace)));
  await all.executor.close();
  assert.deepEqual(readdirSync(all.workspaces), [living.workspace]);
  living.letGo();
  const [status] = (await once(living.child, 'exit')) as [number | null];
  assert.equal(status, 0, 'its job has ended well');
  assert.deepEqual(readdirSync(all.workspaces), []);
});

test('a workspace is known by when its process began, as numbers of processes are used again', async () => {
  using workshop = new Workshop();
  const workspaces = workspacesOf(workshop);
  const mine = basename(await makeWorkspace(workspaces));
  const [job = '', machine = '', pid = '', start = '', id = ''] = mine.split('_');
  assert.equal(Number(pid), process.pid);
  const former = [job, machine, pid, `${start}1`, id].join('_');
  mkdirSync(join(workspaces, former, 'deep'), { recursive: true });
  await removeLeftWorkspaces(workspaces, silentLog, NEVER);
  assert.deepEqual(readdirSync(workspaces), [mine]);
});

test('a process that is there is not taken for ended because its start is hidden', async t => {
  using workshop = new Workshop();
  const workspaces = workspacesOf(workshop);
  const mine = basename(await makeWorkspace(workspaces));
  const [job = '', machine = '', , start = '', id = ''] = mine.split('_');
  // Pids are smaller: /proc tells nothing of it.
  const hidden = 999_999_999;
  const theirs = [job, machine, String(hidden), start, id].join('_');
  mkdirSync(join(workspaces, theirs));
  const kill = process.kill.bind(process);
  t.mock.method(process, 'kill', (pid: number, signal?: NodeJS.Signals | 0) => pid === hidden || kill(pid, signal));
  await removeLeftWorkspaces(workspaces, silentLog, NEVER);
  assert.deepEqual(readdirSync(workspaces).sort(), [mine, theirs].sort());
});

test('a process that has ended counts as ended before its end is asked for', async () => {
  using workshop = new Workshop();
  const workspaces = workspacesOf(workshop);
  const mine = basename(await makeWorkspace(workspaces));
  const [job = '', machine = '', , start = '', id = ''] = mine.split('_');
  const file = join(workshop.folder, 'pid');
  // Sleep asks for no child's end; the child ends when its parent has become one.
  const child = `sh -c 'until read -r comm <"/proc/$PPID/comm" && [ "$comm" = sleep ]; do :; done'`;
  const parent = spawn('sh', ['-c', `${child} & echo $! >${file}; exec sleep 1000`], { stdio: 'ignore' });
  try {
    await until('the zombie', () => existsSync(file) && hasEnded(readFileSync(file, 'utf8').trim()));
    const theirs = [job, machine, readFileSync(file, 'utf8').trim(), start, id].join('_');
    mkdirSync(join(workspaces, theirs));
    await removeLeftWorkspaces(workspaces, silentLog, NEVER);
    assert.deepEqual(readdirSync(workspaces), [mine]);
  } finally {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  }
});

test('git that works in the workspace of a former process is ended before that is removed', async () => {
  using workshop = new Workshop();
  const workspaces = workspacesOf(workshop);
  const [job = '', machine = '', pid = '', start = '', id = ''] = basename(await makeWorkspace(workspaces)).split('_');
  const former = join(workspaces, [job, machine, pid, `${start}1`, id].join('_'));
  mkdirSync(join(former, 'git', 'web'), { recursive: true });
  // Pids are smaller.
  const args = [
    '-c',
    'sleep 1000',
    'git',
    '-c',
    `drone.controller=999999999@${machine}`,
    '-C',
    join(former, 'git', 'web'),
    'fetch',
  ];
  const orphan = spawn('sh', args, { stdio: 'ignore', detached: true });
  try {
    await removeLeftWorkspaces(workspaces, silentLog, NEVER);
    await until('its end', () => orphan.signalCode !== null);
    assert.equal(existsSync(former), false);
  } finally {
    orphan.kill('SIGKILL');
  }
});

test('workspaces of another machine, and what is not a workspace, stay', async () => {
  using workshop = new Workshop();
  const workspaces = workspacesOf(workshop);
  const mine = basename(await makeWorkspace(workspaces));
  const [job = '', machine = '', pid = '', start = '', id = ''] = mine.split('_');
  const gone = [job, machine, pid, `${start}1`, id].join('_');
  const foreign = [job, machine.replace(/./g, '0'), pid, `${start}1`, id].join('_');
  mkdirSync(join(workspaces, foreign));
  mkdirSync(join(workspaces, `${gone}.old`));
  mkdirSync(join(workspaces, 'job_mine'));
  writeFileSync(join(workspaces, 'file'), '');
  symlinkSync(workshop.folder, join(workspaces, gone));
  const before = readdirSync(workspaces);
  const told: unknown[] = [];
  await removeLeftWorkspaces(workspaces, { ...silentLog, info: (_, facts) => void told.push(facts) }, NEVER);
  assert.deepEqual(readdirSync(workspaces), before);
  assert.deepEqual(told, [{ folders: [join(workspaces, foreign)] }]);
});

test('workspaces that cannot be looked for are in the log, and keep no executor from its jobs', async () => {
  const lines: string[] = [];
  const workshop = new Workshop();
  writeFileSync(workspacesOf(workshop), 'no folder');
  const log = { ...silentLog, warn: (line: string) => void lines.push(line) };
  await using all = benchIn(workshop, { log });
  await until('the line', () => lines.some(line => line.endsWith(': failed to look for abandoned workspaces')));
  assert.deepEqual(await all.jobs.submit('executor:stop:here', { id: 'none' }), {
    ok: true,
    value: { stopped: false },
  });
});
