/** `executeCommand`: a detached command, known by its pidfile. */
import { constants } from 'node:fs';
import { access, lstat, open, readFile, rename, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { once } from 'node:events';
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { readProcesses } from '../../process/process-table.js';
import { started } from '../../process/process-group.js';
import { makeDirectory } from '../transfer/make-directory.js';
import { Cancelled, type CallContext } from './call-context.js';
import { DEFAULT_PATH, executeCommandArguments, noProgram, pidfileInUse } from './command-arguments.js';
import { leaderScript } from './leader-script.js';
import { loginFilesLimit } from './open-files-limit.js';
import { MAX_PIDFILE_BYTES } from './pidfiles.js';

export async function executeCommand(
  context: CallContext,
  command: unknown,
  options: unknown,
): Promise<{ pid: number }> {
  const { name, args, workingDirectory, logFile, pidfileName, env: own } = executeCommandArguments(command, options);
  const folder = resolve(workingDirectory);
  const pidfile = resolve(folder, pidfileName);
  const env: NodeJS.ProcessEnv = { ...process.env, ...own };

  await makeDirectory(folder);
  const program = await findProgram(name, folder, env.PATH);
  const pidOfOther = await runningLeader(pidfile);
  if (pidOfOther !== undefined) throw pidfileInUse(program, pidfile, pidOfOther);
  const log = logFile === undefined ? undefined : await openLog(resolve(folder, logFile), program);
  try {
    // Directory and log may have taken long, and a cancelled call must not start anything.
    if (context.signal.aborted) throw new Cancelled(true);
    const stdio = log?.fd ?? 'ignore';
    const child = await started(program, folder, () =>
      spawn('/bin/sh', ['-c', leaderScript({ filesLimit: loginFilesLimit() }), 'sh', pidfile, program, ...args], {
        cwd: folder,
        env,
        detached: true,
        stdio: ['pipe', stdio, stdio],
      }),
    );
    const pid = Number(child.pid);
    // A leader killed this early leaves a pidfile without a status, as at any later time.
    child.stdin?.on('error', () => undefined);
    try {
      // The leader holds the log now. Errors of the agent must surface while they can still keep the command from starting.
      await log?.close();
      await writeWhole(pidfile, `${String(pid)}\n`);
      context.signal.throwIfAborted();
    } catch (error) {
      await endLeader(child);
      throw context.signal.aborted ? new Cancelled(true) : error;
    }
    child.stdin?.end('go\n');
    child.unref();
    return { pid };
  } finally {
    await log?.close();
  }
}

async function endLeader(child: ChildProcess): Promise<void> {
  const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
  child.stdin?.destroy();
  await exited;
}

/** The pid of a command that runs under this pidfile: its leader has the path in its arguments, see scheduler/leader.ts. */
async function runningLeader(pidfile: string): Promise<number | undefined> {
  const found = await lstat(pidfile).catch(() => undefined);
  if (found?.isFile() !== true || found.size > MAX_PIDFILE_BYTES) return undefined;
  const text = await readFile(pidfile, 'utf8').catch(() => '');
  // With a second line it has ended.
  const pid = Number(/^(\d+)\n?$/.exec(text)?.[1] ?? NaN);
  if (Number.isNaN(pid)) return undefined;
  const processes = await readProcesses();
  return processes.find(each => each.pid === pid && each.args.includes(` sh ${pidfile} `))?.pid;
}

/** Readers see the old file or the new one, never a part. */
async function writeWhole(path: string, contents: string): Promise<void> {
  const draft = `${path}.${String(process.pid)}.new`;
  await writeFile(draft, contents);
  await rename(draft, path);
}

async function openLog(path: string, program: string): Promise<FileHandle> {
  await makeDirectory(dirname(path));
  const log = await open(path, 'a');
  await log.write(`\n--- ${new Date().toISOString()} ${program} ---\n`);
  return log;
}

/** Resolves the program as the system would, so that a missing one is the caller's error. */
async function findProgram(name: string, folder: string, searchPath = DEFAULT_PATH): Promise<string> {
  const candidates = name.includes('/')
    ? [resolve(folder, name)]
    : searchPath.split(':').map(path => resolve(folder, path, name));
  let code: 'ENOENT' | 'EACCES' = 'ENOENT';
  for (const candidate of candidates) {
    try {
      if (!(await stat(candidate)).isFile()) throw Object.assign(new Error('not a file'), { code: 'EACCES' });
      await access(candidate, constants.X_OK);
      return candidate;
    } catch (error) {
      // As with execvp, a file that cannot be run is reported in preference to missing ones.
      if ((error as NodeJS.ErrnoException).code === 'EACCES') code = 'EACCES';
    }
  }
  throw noProgram(code, name.includes('/') ? (candidates[0] ?? name) : `${name} in PATH (${searchPath})`);
}
