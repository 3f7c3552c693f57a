/**
 * Directories of a cache that another user has created: git refuses them (`dubious ownership`), and this process cannot
 * write there.
 */
import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, mkdtemp, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Log } from '../report/log.js';

const DENIED: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM']);

/** False for a missing path, on systems without users, and on file systems that show one owner for all files. */
export async function isForeign(folder: string): Promise<boolean> {
  const uid = process.geteuid?.();
  if (uid === undefined) return false;
  const there = await stat(folder).catch(() => undefined);
  return there !== undefined && there.uid !== uid && there.uid !== (await ownerOfNew(dirname(folder)));
}

/** The owner of what this process creates there; undefined if it cannot create anything. */
async function ownerOfNew(folder: string): Promise<number | undefined> {
  try {
    const made = await mkdtemp(join(folder, '@owner-'));
    const { uid } = await stat(made);
    await rmdir(made);
    return uid;
  } catch {
    return undefined;
  }
}

/**
 * A directory of another user, such as a former uid of the executor, can sometimes be renamed although it cannot be
 * removed.
 */
export async function removeOrPutAside(folder: string, log: Log): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    if (!DENIED.has((error as NodeJS.ErrnoException).code)) throw error;
    const aside = join(dirname(folder), `@aside-${randomUUID()}-${basename(folder)}`);
    await rename(folder, aside);
    log.warn('a directory of another user could not be removed and was set aside', { folder, aside, error });
  }
}

/** Creates a directory that this user can write to, in place of another user's if necessary. */
export async function makeWritable(folder: string, log: Log): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (!(await isForeign(folder))) return;
  try {
    await access(folder, constants.W_OK);
  } catch {
    await removeOrPutAside(folder, log);
    await mkdir(folder, { recursive: true });
  }
}
