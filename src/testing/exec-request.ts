/** What an SSH server does with a command: runs it as sshd would, or lets a test play it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { homedir, userInfo } from 'node:os';
import { delimiter, dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { onAbort } from '../wait/abort.js';

/** How long a command may take to end itself at the end of its stdin, when the server is closed. */
const FAREWELL_MS = 2000;

/** A command that a client wants to be run. */
export interface ExecRequest {
  readonly command: string;
  /** What the client sends. */
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal;
  /** Ends the command: a status, or a signal's name such as `SIGKILL`. What was written before still arrives. */
  exit(statusOrSignal: number | string): void;
}

/** The running commands of a server. */
export class Commands {
  readonly #children = new Set<ChildProcess>();

  /** Gives a function that sends the command's process group a signal. */
  run(request: ExecRequest): (signal: NodeJS.Signals) => void {
    const { username, shell } = userInfo();
    const home = homedir();
    const child = spawn('/bin/sh', ['-c', request.command], {
      cwd: home,
      // Of its own, as under sshd; and with the node that runs this, wherever that is.
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
    // As with sshd, the command finds its pipes closed, and is not killed.
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
    child.once('close', (code, signal) => {
      request.exit(signal ?? code ?? 255);
    });
    return signal => {
      killGroup(child, signal);
    };
  }

  /** Resolves when none is left: each sees the end of its stdin, and is killed with its group if that is not enough. */
  async end(): Promise<void> {
    await Promise.all(
      [...this.#children].map(async child => {
        const exited = once(child, 'exit');
        child.stdin?.end();
        const force = setTimeout(() => {
          killGroup(child, 'SIGKILL');
        }, FAREWELL_MS);
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
