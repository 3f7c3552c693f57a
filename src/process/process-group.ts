import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { hasLiveMember } from './process-table.js';

/** How long a group may take to vanish after KILL, ms. */
export const KILL_WAIT_MS = 500;

const FIRST_LOOK_MS = 5;
const LONGEST_LOOK_MS = 80;
/**
 * Reading the process table takes milliseconds on a busy host: the first look comes after this time, each further one after
 * twice as long.
 */
const FIRST_TABLE_LOOK_MS = 100;

const groups = new Set<number>();

/** Resolves with the running child; rejects with what kept it from starting, with the system's code. */
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

/** Starts a program as leader of a new process group, which is killed at this process's exit while the leader runs. */
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

export function killGroupsNow(): void {
  for (const pgid of groups) signalGroup(pgid, 'SIGKILL');
}

type Signalled = 'sent' | 'gone' | 'refused';

/** Signal 0 only asks. macOS also refuses for a group of zombies. */
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

/** Another group may then get its number. */
export function isGroupGone(pgid: number): boolean {
  return signalGroup(pgid, 0) === 'gone';
}

/** `refused`: not ours to signal. `alive`: even KILL did not end it in time. */
export type GroupFate = 'gone' | 'alive' | 'refused';

/** TERM, after `graceMs` KILL. Resolves when the group is gone, or `killWaitMs` after KILL. */
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
      // Where process 1 does not reap orphans (many containers), dead members answer to signals forever. A group
      // counts as alive when the table cannot be read, as with no file descriptors left.
      if (!(await hasLiveMember(pgid).catch(() => true))) return true;
      tableLookMs *= 2;
    }
    if (last) return false;
    await delay(Math.min(lookMs, endMs - nowMs));
  }
}
