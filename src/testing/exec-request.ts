import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { homedir, userInfo } from 'node:os';
import { delimiter, dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { onAbort } from '../wait/abort.js';

/** How long a command may take to end after the end of its stdin, when the server closes. */
const FAREWELL_MS = 2000;

/** A command that a client asks the server to run. */
export interface ExecRequest {
  readonly command: string;
  /** The client's data. */
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
  /** Ends the command with a status or a signal such as `SIGKILL`. Earlier output still arrives. */
  exit(statusOrSignal: number | string): void;
}

/** The running commands of a server. */
export class Commands {
  readonly #children = new Set<ChildProcess>();

  /** Returns a function that sends a signal to the command's process group. */
  run(request: ExecRequest): (signal: NodeJS.Signals) => void {
    const { username, shell } = userInfo();
    const home = homedir();
    const child = spawn('/bin/sh', ['-c', request.command], {
      cwd: home,
      // A process group of its own, as under sshd.
      detached: true,
      env: {
        HOME: home,
        USER: username,
        LOGNAME: username,
        SHELL: shell ?? '/bin/sh',
        PATH: [process.env['PATH'] ?? '/usr/bin:/bin', dirname(process.execPath)].join(delimiter),
      },
    });
    this.#children.add(child);
    child.stdin.on('error', () => undefined); // EPIPE of a command that reads no further; its exit follows
    request.stdin.pipe(child.stdin);
    child.stdout.pipe(request.stdout, { end: false });
    child.stderr.pipe(request.stderr, { end: false });
    // As under sshd, a command whose client is gone finds its pipes closed and is not killed.
    onAbort(request.gone, () => {
      child.stdin.end();
      child.stdout.destroy();
      child.stderr.destroy();
    });
    child.once('error', error => {
      request.stderr.write(`${error.message}\n`);
      request.exit(127);
    });
    child.once('exit', () => this.#children.delete(child));
    child.once('close', (code, signal) => request.exit(signal ?? code ?? 255));
    return signal => killGroup(child, signal);
  }

  /** Ends each command's stdin, kills the groups of commands that go on, and resolves when none is left. */
  async end(): Promise<void> {
    await Promise.all(
      [...this.#children].map(async child => {
        const exited = once(child, 'exit');
        child.stdin?.end();
        const force = setTimeout(() => killGroup(child, 'SIGKILL'), FAREWELL_MS);
        await exited;
        clearTimeout(force);
      }),
    );
  }
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Gone in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
