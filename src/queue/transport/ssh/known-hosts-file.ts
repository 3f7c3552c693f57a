/** Writes to a known_hosts file that other threads and processes write to. */
import type { Stats } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { keyTypeOf, nameOf } from './known-hosts.js';

const POLL_MS = 10;
/**
 * A lock lasts as long as reading a file and adding a line. One this old, or from the future, was left by a dead
 * process.
 */
const STALE_MS = 10_000;

/**
 * Locks with a file `<path>.lock`. Creates the directory (mode 0700) if it is missing. Rejects with the system's error if
 * no file can be created there, and when aborted.
 */
export async function lockKnownHosts(path: string, signal: AbortSignal): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const lock = `${path}.lock`;
  // A device such as /dev/null keeps nothing that needs a lock.
  if ((await statOf(path))?.isFile() === false) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close();
      return { [Symbol.asyncDispose]: () => rm(lock, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    // Two may find the same dead lock, and one remove the other's new one. Both then write; so each looks for another
    // key afterwards.
    if (await isStale(lock)) await rm(lock, { force: true });
    else await delay(POLL_MS, undefined, { signal });
  }
}

async function isStale(lock: string): Promise<boolean> {
  const found = await statOf(lock);
  return found !== undefined && Math.abs(Date.now() - found.mtimeMs) > STALE_MS;
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Adds a key in one write at the end. Creates the file (mode 0600) if it is missing. */
export async function addKnownHost(path: string, host: string, port: number, key: Buffer): Promise<void> {
  await using file = await open(path, 'a+', 0o600);
  const { size } = await file.stat();
  const last = Buffer.from('\n');
  if (size > 0) await file.read(last, 0, 1, size - 1);
  const separator = last.toString() === '\n' ? '' : '\n';
  await file.write(`${separator}${nameOf(host, port)} ${keyTypeOf(key) ?? ''} ${key.toString('base64')}\n`);
}
