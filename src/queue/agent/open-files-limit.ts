/**
 * The limit of open files that commands get. Node raises its own soft limit to the hard one at its start, and what it
 * starts would inherit that: programs that use select(), or close all descriptors up to the limit, then fail or crawl.
 */
import { readFileSync } from 'node:fs';

/** Sets the limit, and becomes the shell of the command: its process and its arguments are as without this. */
const WITH_LIMIT = 'ulimit -Sn "$1" 2>/dev/null; exec /bin/sh -c "$2"';

let limit: string | undefined;

/** The soft limit before Node raised it, as reported by the agent's start; empty if it is unchanged or unknown. */
export function loginFilesLimit(): string {
  limit ??= limitFrom(process.argv[2]);
  return limit;
}

/** Arguments for /bin/sh that run a script under the limit of the login. */
export function shellArguments(script: string): readonly string[] {
  const files = loginFilesLimit();
  return files === '' ? ['-c', script] : ['-c', WITH_LIMIT, 'sh', files, script];
}

function limitFrom(start: string | undefined): string {
  return start !== undefined && /^\d+$/.test(start) && start !== ownLimit() ? start : '';
}

function ownLimit(): string | undefined {
  try {
    return /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  } catch {
    return undefined; // other systems than Linux
  }
}
