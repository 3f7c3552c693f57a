/** Paths of a transfer. From its folder on they are bytes: names need not be UTF-8, and a string would change them. */
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

const SLASH = Buffer.from('/');

/** A path as the side it is on understands it: `~/` is the home there. A slash at the end stays. */
export function ownPath(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

/** Whether a path says by itself that it leads to a folder: it ends in no name of its own. */
export function isFolderPath(path: string): boolean {
  return ['', '.', '..', '~'].includes(basename(path));
}

/** The path itself, where a slash at the end only says that it is a folder. */
export function withoutSlash(path: string): string {
  return path.replace(/(?<=[^/])\/+$/, '');
}

/** Path of an entry of a folder. */
export function below(folder: Uint8Array, name: Uint8Array): Buffer {
  return Buffer.concat([folder, SLASH, name]);
}

/** The folder that a path is in. */
export function folderOf(path: Buffer): Buffer {
  const at = path.lastIndexOf(SLASH);
  return at < 0 ? Buffer.from('.') : path.subarray(0, Math.max(at, 1));
}

/** Quoted as in code, so that a name with a line break in it takes one line. */
export function shownPath(path: Uint8Array | string): string {
  return JSON.stringify(typeof path === 'string' ? path : Buffer.from(path).toString());
}
