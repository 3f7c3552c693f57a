/** `executeCommand`: a command that lives on by itself, known by its pidfile. */
import { constants } from 'node:fs';
import { access, mkdir, open, rename, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { once } from 'node:events';
import { type ChildProcess, spawn } from 'node:child_process';
import { basename, dirname, resolve } from 'node:path';
import { LIVES_ON } from '../../process/end-script.js';
import { started } from '../../process/process-group.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { envArg, fieldsArg, listArg, optionalTextArg, textArg } from './arguments.js';
import { Cancelled, type CallContext } from './call-context.js';

/**
 * Somebody must wait for the command and write down its status, and the agent may be gone by then: so a small shell
 * leads the process group, and its pid is the command's name. It waits for a line on stdin, until the pidfile is
 * written; should the agent end before that, or the call, nothing runs, and no pidfile claims that something did. The
 * trap lets it outlive a TERM to the group (unlike ignoring the signal, a trap is not passed on to the command); `"$@"`
 * is a path, so it cannot be a word of the shell.
 */
export const LEADER = [
  LIVES_ON,
  'pidfile=$1',
  'shift',
  'if ! read -r go; then',
  '[ -f "$pidfile" ] && read -r pid <"$pidfile" && [ "$pid" = $$ ] && rm -f -- "$pidfile"',
  'exit 125',
  'fi 2>/dev/null',
  'exec </dev/null',
  'trap : HUP INT TERM',
  '"$@"',
  'status=$?',
  'echo "$status" >>"$pidfile"',
].join('\n');

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

export async function executeCommand(
  context: CallContext,
  command: unknown,
  options: unknown,
): Promise<{ pid: number }> {
  const [name = '', ...args] = commandArg(command);
  const where = 'executeCommand: options';
  const fields = fieldsArg(where, options, ['workingDirectory', 'logFile', 'pidfileName', 'env']);
  const folder = resolve(textArg(`${where}.workingDirectory`, fields.workingDirectory));
  const logFile = optionalTextArg(`${where}.logFile`, fields.logFile);
  const pidfile = resolve(folder, pidfileNameArg(`${where}.pidfileName`, fields.pidfileName));
  const env = envArg(`${where}.env`, fields.env);

  await mkdir(folder, { recursive: true });
  const program = await findProgram(name, folder, env.PATH);
  const log = logFile === undefined ? undefined : await openLog(resolve(folder, logFile), program);
  try {
    // The folder or the log may have kept us waiting, and who has given up by now must be able to count on that.
    if (context.signal.aborted) throw new Cancelled(true);
    const stdio = log?.fd ?? 'ignore';
    const child = await started(program, folder, () =>
      spawn('/bin/sh', ['-c', LEADER, 'sh', pidfile, program, ...args], {
        cwd: folder,
        env,
        detached: true,
        stdio: ['pipe', stdio, stdio],
      }),
    );
    const pid = Number(child.pid);
    // A leader killed this early leaves its pidfile without a status, as at any later time.
    child.stdin?.on('error', () => undefined);
    try {
      // The leader has the log. What goes wrong with ours must be known while it can still keep the command from starting.
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

/** Before it was told to go. */
async function endLeader(child: ChildProcess): Promise<void> {
  const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
  child.stdin?.destroy();
  await exited;
}

function commandArg(value: unknown): string[] {
  const words = listArg('executeCommand: command', value);
  if (words.length === 0) throw invalidArgument('executeCommand: command', value, 'a list with at least the program');
  textArg('executeCommand: command[0]', words[0]);
  return words.map((word, at) => {
    if (typeof word !== 'string') throw invalidArgument(`executeCommand: command[${String(at)}]`, word, 'a string');
    return word;
  });
}

function pidfileNameArg(where: string, value: unknown): string {
  const name = textArg(where, value);
  if (basename(name) !== name || name === '.' || name === '..')
    throw invalidArgument(where, value, 'a plain file name');
  return name;
}

/** Readers find the old file or the new one, never a part. */
async function writeWhole(path: string, contents: string): Promise<void> {
  const draft = `${path}.${String(process.pid)}.new`;
  await writeFile(draft, contents);
  await rename(draft, path);
}

async function openLog(path: string, program: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true });
  const log = await open(path, 'a');
  await log.write(`\n--- ${new Date().toISOString()} ${program} ---\n`);
  return log;
}

/** Where the system would find the program; looked up here so that a missing one is the caller's error. */
async function findProgram(name: string, folder: string, searchPath = DEFAULT_PATH): Promise<string> {
  const candidates = name.includes('/')
    ? [resolve(folder, name)]
    : searchPath.split(':').map(path => resolve(folder, path, name));
  let code = 'ENOENT';
  for (const candidate of candidates) {
    try {
      if (!(await stat(candidate)).isFile()) throw Object.assign(new Error('not a file'), { code: 'EACCES' });
      await access(candidate, constants.X_OK);
      return candidate;
    } catch (error) {
      // As with execvp: one that is there but cannot be run says more than those that are not there.
      if ((error as NodeJS.ErrnoException).code === 'EACCES') code = 'EACCES';
    }
  }
  const what = code === 'EACCES' ? 'is not an executable file' : 'does not exist';
  const looked = name.includes('/') ? (candidates[0] ?? name) : `${name} in PATH (${searchPath})`;
  throw Object.assign(new Error(`executeCommand: cannot start ${looked}: it ${what}`), { code });
}
