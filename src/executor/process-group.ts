/** Runs a program as the leader of a process group of its own, and ends all of the group when it has to end. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { killGroupsNow, signalGroup, startGroup } from '../agent/process-group.js';

export interface GroupOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly input: string;
  readonly timeoutMs: number;
  /** From TERM to KILL. */
  readonly killGraceMs: number;
  /** Of stdout and stderr together. */
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal | undefined;
}

export interface GroupEnd {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Why it was ended by us, if it was. */
  readonly ended: Ended | undefined;
}

type Ended = 'timeout' | 'output' | 'cancelled';

/** A pipe that somebody outside of the group holds is let go so long after the KILL. */
const LET_GO_MS = 1000;

/** How many; a process that ends takes them along. */
let running = 0;

/** Resolves when it has ended and nobody holds its output any more. Rejects when it cannot be started. */
export async function runInGroup(program: string, args: readonly string[], options: GroupOptions): Promise<GroupEnd> {
  if (running++ === 0) process.on('exit', killGroupsNow);
  try {
    return await runToEnd(program, args, options);
  } finally {
    if (--running === 0) process.off('exit', killGroupsNow);
  }
}

async function runToEnd(program: string, args: readonly string[], options: GroupOptions): Promise<GroupEnd> {
  const { cwd, env, input, timeoutMs, killGraceMs, maxOutputBytes, signal } = options;
  const child = startGroup(program, args, { cwd, env, stdio: 'pipe' }) as ChildProcessWithoutNullStreams;
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let ended: Ended | undefined;
  let killing: NodeJS.Timeout | undefined;
  const signalAll = (wanted: NodeJS.Signals): void => {
    // Not started: there is no group, and 'error' says why.
    if (child.pid !== undefined) signalGroup(child.pid, wanted);
  };
  const end = (why: Ended): void => {
    if (ended !== undefined) return;
    ended = why;
    signalAll('SIGTERM');
    killing = setTimeout(() => {
      signalAll('SIGKILL');
      killing = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, LET_GO_MS);
    }, killGraceMs);
  };
  let bytes = 0;
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > maxOutputBytes) end('output');
      else output[name].push(chunk);
    });
  }
  // It may end without having read its input; then the exit status tells how that was.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  // Its leader gone, the rest of a group that was to be ended is of no use, and might hold locks.
  child.once('exit', () => {
    if (ended !== undefined) signalAll('SIGKILL');
  });
  const onAbort = (): void => end('cancelled');
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  try {
    const [exitCode] = (await once(child, 'close')) as [number | null];
    const stdout = Buffer.concat(output.stdout);
    return { exitCode, stdout, stderr: Buffer.concat(output.stderr).toString(), ended };
  } finally {
    clearTimeout(timer);
    clearTimeout(killing);
    signal?.removeEventListener('abort', onAbort);
  }
}
