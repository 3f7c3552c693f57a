/** `mkdir -p` that reports why it failed, and always ends. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { folderOf } from './paths.js';

/**
 * Creates a directory and those above it. Rejects with the system's error. Node's own recursive mkdir loops forever, in a
 * thread that nothing ends, if a directory cannot be created in an existing one, such as /proc or a working directory that
 * was removed. It also reports ENOENT in place of an error that it does not know, such as EROFS or EDQUOT.
 */
export async function makeDirectory(path: string | Buffer): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    const parent = typeof path === 'string' ? dirname(path) : folderOf(path);
    if (codeOf(error) !== 'ENOENT' || String(parent) === String(path)) throw error;
    await makeParent(parent);
    await makeOne(path);
  }
}

async function makeParent(path: string | Buffer): Promise<void> {
  try {
    await makeDirectory(path);
  } catch (error) {
    // A link that leads nowhere: what is to be made is below it.
    if (codeOf(error) !== 'EEXIST') throw error;
    const found = `ENOTDIR: not a directory, mkdir '${String(path)}'`;
    throw Object.assign(new Error(found, { cause: error }), { code: 'ENOTDIR', syscall: 'mkdir', path: String(path) });
  }
}

async function makeOne(path: string | Buffer): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    // Which error there is for a directory that is there depends on the file system.
    if (codeOf(error) === 'ENOENT' || !(await isDirectory(path))) throw error;
  }
}

async function isDirectory(path: string | Buffer): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
