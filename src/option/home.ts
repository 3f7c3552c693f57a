import { homedir } from 'node:os';
import { join } from 'node:path';

/** Puts this user's home directory in place of a leading `~`; a trailing slash stays. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}
