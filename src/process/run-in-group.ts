/** Runs a program as the leader of a process group of its own, and ends all of the group when it has to end. */
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { onAbort } from '../wait/abort.js';
import { isGroupGone, killGroupsNow, signalGroup, startGroup } from './process-group.js';
import { hasLiveMember } from './process-table.js';

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
  /** The group, when somebody of it was still there so long after the KILL that nobody waits for it any more. */
  readonly stuck: number | undefined;
}

type Ended = 'timeout' | 'output' | 'cancelled';

/** A pipe that somebody outside of the group holds is let go so long after the KILL. */
const LET_GO_MS = 1000;
/** Who is there so long after the KILL hangs in the kernel. */
const GIVE_UP_MS = 5000;
const LOOK_MS = 50;

/** How many; a process that ends takes them along. */
let running = 0;

/**
 * Resolves when it has ended and nobody holds its output any more, or when it cannot be ended. Rejects when it cannot be
 * started.
 */
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
  const closed = once(child, 'close') as Promise<[exitCode: number | null]>;
  // Short of open files it was given no pipes, and its 'error' is yet to come.
  if (!(child as ChildProcess).stdin) await closed;
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let ended: Ended | undefined;
  let killing: NodeJS.Timeout | undefined;
  let giveUpMs = Infinity;
  let onGivenUp = (): void => undefined;
  const signalAll = (wanted: NodeJS.Signals): void => {
    // Not started: there is no group, and 'error' says why.
    if (child.pid !== undefined) signalGroup(child.pid, wanted);
    if (wanted === 'SIGKILL') giveUpMs = Math.min(giveUpMs, performance.now() + GIVE_UP_MS);
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
        killing = setTimeout(onGivenUp, GIVE_UP_MS - LET_GO_MS);
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
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  const stopListening = onAbort(signal, () => end('cancelled'));
  try {
    const givenUp = new Promise<undefined>(resolve => {
      onGivenUp = () => resolve(undefined);
    });
    const exit = await Promise.race([closed, givenUp]);
    // Without its leader others of the group may still be there.
    const isStuck = ended !== undefined && child.pid !== undefined && (await outlives(child.pid, () => giveUpMs));
    if (isStuck) letGo(child, closed);
    const [exitCode] = isStuck ? [null] : (exit ?? (await closed));
    const stdout = Buffer.concat(output.stdout);
    const stuck = isStuck ? child.pid : undefined;
    return { exitCode, stdout, stderr: Buffer.concat(output.stderr).toString(), ended, stuck };
  } finally {
    clearTimeout(timer);
    clearTimeout(killing);
    stopListening();
  }
}

/** Whether somebody of the group is there at that time, which is not known before the KILL. What cannot be asked for is. */
async function outlives(pgid: number, endMs: () => number): Promise<boolean> {
  while (!isGroupGone(pgid) && (await hasLiveMember(pgid).catch(() => true))) {
    if (performance.now() >= endMs()) return true;
    await delay(LOOK_MS);
  }
  return false;
}

/** It keeps this process from nothing any more, its end neither. */
function letGo(child: ChildProcessWithoutNullStreams, closed: Promise<unknown>): void {
  closed.catch(() => undefined);
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  child.unref();
}
