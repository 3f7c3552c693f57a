/**
 * A lock of the kernel on a file: it ends with the last process that has the descriptor, however that process ends. It holds
 * between containers of one host, and on a network file system between the hosts, as far as that file system locks at all.
 *
 * Node has no `flock`. The lock belongs to the open file rather than to a process, so the program `flock` sets it on a
 * descriptor that it inherits, exits, and the lock stays here. The BSDs and macOS lock in `open`.
 */
import { constants } from 'node:fs';
import { open as openCallback, close as closeCallback } from 'node:fs';
import { promisify } from 'node:util';
import { runInGroup } from './run-in-group.js';

const openFile = promisify(openCallback);
export const closeFile = promisify(closeCallback);

/** Descriptor of the locked file; undefined while another process has the lock. */
export interface LockAttempt {
  readonly fd: number | undefined;
  /** Why the lock cannot be set here at all; then `fd` is open, without a lock. */
  readonly unsupported?: string;
}

/** Flags of open(2) on the BSDs and macOS, for which Node has no names. */
const BSD_EXLOCK = 0x20;
const locksInOpen = process.platform === 'darwin' || process.platform.endsWith('bsd');
/** Limit for a file server that does not answer. */
const LIMIT_MS = 30_000;

/** Creates the file if it is missing. Never waits for the lock. Rejects with the system's error when it cannot be opened. */
export async function tryLockFile(path: string): Promise<LockAttempt> {
  if (locksInOpen) return lockInOpen(path);
  const fd = await openAny(path, 0);
  try {
    const { exitCode, words } = await flock(fd);
    if (exitCode === 0) return { fd };
    if (exitCode !== 1 || words !== '') return { fd, unsupported: words === '' ? 'flock failed' : words };
    await closeFile(fd);
    return { fd: undefined };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { fd, unsupported: 'the program flock (of util-linux or busybox) is not installed' };
    await closeFile(fd);
    throw code === undefined ? new Error(`${path} could not be locked: ${message}`, { cause: error }) : error;
  }
}

async function lockInOpen(path: string): Promise<LockAttempt> {
  try {
    return { fd: await openAny(path, BSD_EXLOCK | constants.O_NONBLOCK) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN') return { fd: undefined };
    if (code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
    return { fd: await openAny(path, 0), unsupported: message };
  }
}

/** Opens for writing, which NFS requires for a lock, or else for reading: another user may have created the file. */
async function openAny(path: string, flags: number): Promise<number> {
  try {
    return await openFile(path, constants.O_RDWR | constants.O_CREAT | flags, 0o666);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EROFS') throw error;
    return openFile(path, constants.O_RDONLY | flags);
  }
}

async function flock(fd: number): Promise<{ readonly exitCode: number | null; readonly words: string }> {
  const stderr: Uint8Array[] = [];
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), LIMIT_MS);
  try {
    const { exitCode, fate } = await runInGroup('flock', ['-n', '3'], {
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      inherited: [fd],
      signal: limit.signal,
      killGraceMs: 0,
      killWaitMs: 1000,
      output: (stream, chunk) => {
        if (stream === 'stderr') stderr.push(chunk);
        return undefined;
      },
    });
    if (fate !== undefined) throw new Error(`flock took longer than ${String(LIMIT_MS)} ms`);
    return { exitCode, words: Buffer.concat(stderr).toString().trim().slice(0, 500) };
  } finally {
    clearTimeout(timer);
  }
}
