/**
 * Git that does not end, not even by KILL: it hangs in the kernel, as a rule at a disk or a network file system. Who waits
 * for it gives it up; but what it had begun there may still be done, so its repository is refused to everybody in this
 * process until it has gone.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { hasLiveMember } from '../process/process-table.js';
import { GitError } from './git-error.js';

const LOOK_MS = 1000;

/** Process groups by the places in which they hang. */
const groups = new Map<string, number>();

/** The place is refused from now on, for as long as the group is there. */
export function leaveStuck(place: string, pgid: number): void {
  groups.set(place, pgid);
  void readmit(place, pgid);
}

export function isStuck(place: string): boolean {
  return groups.has(place);
}

/** Throws GitError (`ERR_GIT_STUCK`) where git hangs. */
export function refuseStuck(place: string, command: string): void {
  const pgid = groups.get(place);
  if (pgid !== undefined) {
    throw new GitError('ERR_GIT_STUCK', command, `is not done where a git hangs (process ${String(pgid)})`, '');
  }
}

async function readmit(place: string, pgid: number): Promise<void> {
  // What cannot be asked for is taken to be there.
  do await delay(LOOK_MS, undefined, { ref: false });
  while (await hasLiveMember(pgid).catch(() => true));
  groups.delete(place);
}
