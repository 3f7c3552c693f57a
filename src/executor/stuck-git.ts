/**
 * Git that KILL does not end: it hangs in the kernel, usually at a disk or a network file system. Its caller abandons it.
 * Because it may still write, this process refuses its repository until it is gone.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasLiveMember } from '../process/process-table.js';
import { GitError } from './git-error.js';
import type { RepoName } from './repo-name.js';

const LOOK_MS = 1000;

/** Process groups by the places in which they hang. */
const groups = new Map<string, number>();

/** Refuses the place for as long as the group exists. */
export function leaveStuck(place: string, pgid: number): void {
  groups.set(place, pgid);
  void readmit(place, pgid);
}

export function isStuck(place: string): boolean {
  return groups.has(place);
}

/** Whether git of this process hangs in a place in the directory. */
export function isStuckWithin(folder: string): boolean {
  return [...groups.keys()].some(place => place.startsWith(join(folder, '/')));
}

/** Throws a GitError (`ERR_GIT_STUCK`) where git hangs. */
export function refuseStuck(place: string, command: string, repository?: RepoName): void {
  const pgid = groups.get(place);
  if (pgid !== undefined) {
    const what = `was not started because git hangs there (process ${String(pgid)})`;
    throw new GitError('ERR_GIT_STUCK', command, what, '', { repository });
  }
}

async function readmit(place: string, pgid: number): Promise<void> {
  // A failed look counts as alive.
  do await delay(LOOK_MS, undefined, { ref: false });
  while (await hasLiveMember(pgid).catch(() => true));
  groups.delete(place);
}
