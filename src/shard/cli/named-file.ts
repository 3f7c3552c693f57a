/** Files that settings name. */
import { readFile, stat } from 'node:fs/promises';
import type { Log } from '../../report/log.js';
import type { Settings } from './settings.js';
import { UsageError } from './usage-error.js';

const SECRETS: readonly string[] = ['tokenFile', 'keyFile'];

/** Its text; undefined where none is named. Throws UsageError where it cannot be read. */
export async function readNamedFile(
  settings: Settings,
  field: 'tokenFile' | 'caFile' | 'certFile' | 'keyFile',
  log: Log,
): Promise<string | undefined> {
  const path = settings[field];
  if (path === undefined) return undefined;
  try {
    if (SECRETS.includes(field)) await warnIfOpen(path, field, log);
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${field} cannot be read: ${(error as Error).message}`);
  }
}

/** A warning when all of this machine's users may read it; where files have no such modes, none. */
export async function warnIfOpen(path: string, what: string, log: Log): Promise<void> {
  if (process.platform === 'win32') return;
  const { mode } = await stat(path);
  if ((mode & 0o004) !== 0) log.warn(`${what} holds a secret, and all users may read it: chmod o= ${path}`);
}
