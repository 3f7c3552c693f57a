/** Commands in process groups of their own, and how such a group is ended. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { hasLiveMember } from './process-table.js';

/** How long a group may take to vanish after KILL, ms. */
export const KILL_WAIT_MS = 500;

const FIRST_LOOK_MS = 5;
const LONGEST_LOOK_MS = 80;
/** Reading the process table costs milliseconds on a busy host: the first look is after so long, each next twice as late. */
const FIRST_TABLE_LOOK_MS = 100;

const groups = new Set<number>();

/** The child once it runs; throws what kept it from starting, with the system's code. */
export async function started(
  program: string,
  cwd: string | undefined,
  start: () => ChildProcess,
): Promise<ChildProcess> {
  try {
    const child = start();
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return child;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // The system blames the program also when the directory is missing.
    const where = cwd === undefined ? '' : ` in working directory ${cwd}`;
    throw Object.assign(new Error(`cannot start ${program}${where}: ${message}`, { cause: error }), { code });
  }
}

/** Starts a program as the leader of a new process group, which shares this process's fate until the leader exits. */
export function startGroup(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(program, args, { ...options, detached: true });
  const { pid } = child;
  if (pid !== undefined) {
    if (groups.size === 0) process.on('exit', killGroupsNow);
    groups.add(pid);
    child.once('exit', () => {
      groups.delete(pid);
      if (groups.size === 0) process.off('exit', killGroupsNow);
    });
  }
  return child;
}

/** KILL to all groups whose leaders still run. */
export function killGroupsNow(): void {
  for (const pgid of groups) signalGroup(pgid, 'SIGKILL');
}

type Signalled = 'sent' | 'gone' | 'refused';

/** Signal 0 only asks. macOS refuses, too, where all have ended and nobody has asked for their end yet. */
export function signalGroup(pgid: number, signal: NodeJS.Signals | 0): Signalled {
  try {
    process.kill(-pgid, signal);
    return 'sent';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return 'gone';
    if (code === 'EPERM') return 'refused';
    throw error;
  }
}

/** Its number may then come to be that of another one. */
export function isGroupGone(pgid: number): boolean {
  return signalGroup(pgid, 0) === 'gone';
}

/** What became of a group: `refused` when it is not ours to signal, `alive` when even KILL did not end it in time. */
export type GroupFate = 'gone' | 'alive' | 'refused';

/** TERM, after `graceMs` KILL; resolves when the group has vanished, or `killWaitMs` after KILL. */
export async function endGroup(pgid: number, graceMs: number, killWaitMs = KILL_WAIT_MS): Promise<GroupFate> {
  const signalled = signalGroup(pgid, 'SIGTERM');
  if (signalled !== 'sent') return signalled;
  if (await vanishes(pgid, graceMs)) return 'gone';
  signalGroup(pgid, 'SIGKILL');
  return (await vanishes(pgid, killWaitMs)) ? 'gone' : 'alive';
}

async function vanishes(pgid: number, withinMs: number): Promise<boolean> {
  const startMs = performance.now();
  const endMs = startMs + withinMs;
  let tableLookMs = FIRST_TABLE_LOOK_MS;
  for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(2 * lookMs, LONGEST_LOOK_MS)) {
    if (isGroupGone(pgid)) return true;
    const nowMs = performance.now();
    const last = nowMs >= endMs;
    if (last || nowMs - startMs >= tableLookMs) {
      // Where process 1 does not reap orphans (many containers), dead members answer to signals for ever. A group that
      // cannot be looked for, as with no files left, counts as alive.
      if (!(await hasLiveMember(pgid).catch(() => true))) return true;
      tableLookMs *= 2;
    }
    if (last) return false;
    await delay(Math.min(lookMs, endMs - nowMs));
  }
}
