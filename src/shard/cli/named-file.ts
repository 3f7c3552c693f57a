/** Files that settings name. */
import { readFile } from 'node:fs/promises';
import type { Settings } from './settings.js';
import { UsageError } from './usage-error.js';

/** Its text; undefined where none is named. Throws UsageError where it cannot be read. */
export async function readNamedFile(
  settings: Settings,
  field: 'tokenFile' | 'caFile' | 'certFile' | 'keyFile',
): Promise<string | undefined> {
  const path = settings[field];
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${field} cannot be read: ${(error as Error).message}`);
  }
}
