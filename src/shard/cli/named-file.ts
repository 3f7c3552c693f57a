/** Files named by settings. */
import { readFile, stat } from 'node:fs/promises';
import type { Log } from '../../report/log.js';
import { type Settings, UsageError } from './settings.js';

const SECRETS: readonly string[] = ['tokenFile', 'keyFile'];

/** The file's text; undefined without a name. Throws a UsageError when it cannot be read. */
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

/** Warns when every user of this machine may read the file; Windows has no such modes. */
export async function warnIfOpen(path: string, what: string, log: Log): Promise<void> {
  if (process.platform === 'win32') return;
  const { mode } = await stat(path);
  if ((mode & 0o004) !== 0) log.warn(`${what} holds a secret, and all users may read it: chmod o= ${path}`);
}
