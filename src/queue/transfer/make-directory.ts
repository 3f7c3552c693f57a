/** `mkdir -p` that tells why it failed. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { folderOf } from './paths.js';

/**
 * Makes a directory and those above it. Rejects with the system's error: of a recursive mkdir, Node reports ENOENT in place of
 * an error that it does not know, such as EROFS or EDQUOT.
 */
export async function makeDirectory(path: string | Buffer): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await makeMissing(path);
    await mkdir(path, { recursive: true });
  }
}

/** One by one from the first that is missing, whose error is the true one. */
async function makeMissing(path: string | Buffer): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const parent = typeof path === 'string' ? dirname(path) : folderOf(path);
    if (codeOf(error) !== 'ENOENT' || String(parent) === String(path)) throw error;
    await makeMissing(parent);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
