/** Paths below a transfer's directory are bytes: names need not be UTF-8, and a string would change them. */
import { basename } from 'node:path';

const SLASH = Buffer.from('/');

/** Whether a path by itself means a directory: it ends in no name of its own. */
export function isFolderPath(path: string): boolean {
  return ['', '.', '..', '~'].includes(basename(path));
}

/**
 * Where a copy goes, by the one rule of all methods that copy: to the destination itself; where that ends with a slash, into
 * that directory, under the source's name. What is there already does not matter.
 */
export async function copyPath(
  files: { expandHome(path: string): Promise<string> },
  { source, destination }: { readonly source: string; readonly destination: string },
): Promise<string> {
  const path = await files.expandHome(destination);
  return path.endsWith('/') ? `${path}${basename(source)}` : path;
}

export function below(folder: Uint8Array, name: Uint8Array): Buffer {
  return Buffer.concat([folder, SLASH, name]);
}

export function folderOf(path: Buffer): Buffer {
  const at = path.lastIndexOf(SLASH);
  return at < 0 ? Buffer.from('.') : path.subarray(0, Math.max(at, 1));
}

/** Quoted as in code, so that a name with a line break takes one line. */
export function shownPath(path: Uint8Array | string): string {
  return JSON.stringify(typeof path === 'string' ? path : Buffer.from(path).toString());
}
