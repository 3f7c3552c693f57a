/**
 * A cache's directory belongs to one process at a time: the first that uses it, until that process ends or releases it. A
 * second one is refused before it touches a repository.
 *
 * Git inherits the lock (file-lock). So git that outlives a killed process keeps the directory locked until it ends, even
 * where it is not visible, such as in another container.
 */
import { ftruncate, fstat, readFile, stat, write } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { closeFile, tryLockFile } from '../process/file-lock.js';
import { startOf } from '../process/process-table.js';
import type { Log } from '../report/log.js';
import { oneLine } from '../report/untrusted-text.js';
import { KeyedLock } from '../wait/keyed-lock.js';
import { PendingWork } from '../wait/pending-work.js';
import { isProcessThere } from './left-workspaces.js';
import { machine } from './machine.js';
import { isStuckWithin } from './stuck-git.js';
import { endSurvivors, inUse } from './surviving-processes.js';

/** No name of a connection is encoded like this. */
const LOCK_FILE = '@lock';
/** The holder writes its record after it has the lock; until then the file is empty or has an old one. */
const RECORD = /^(?<machine>\w+) (?<pid>\d+) (?<start>\w*) (?<host>.+)\n$/;

const folders = new Map<string, CacheFolder>();

/** Shared by all caches of this process in one directory. Different paths to one directory refuse each other. */
export function cacheFolder(path: string): CacheFolder {
  const known = folders.get(path);
  if (known !== undefined) return known;
  const folder = new CacheFolder(path);
  folders.set(path, folder);
  return folder;
}

class CacheFolder {
  /** The locks of its repositories. */
  readonly locks = new KeyedLock();
  readonly #path: string;
  readonly #users = new Set<object>();
  readonly #pending = new PendingWork();
  #fd: number | undefined;
  /** Checks and changes run one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Descriptor of the lock, which git inherits. */
  get fd(): number | undefined {
    return this.#fd;
  }

  /**
   * Runs `work` for a cache of this process while the process holds the directory, and keeps the directory afterwards.
   * Rejects with an ExecutorError (`ERR_CACHE_IN_USE`).
   */
  async use<T>(user: object, log: Log, work: () => Promise<T>): Promise<T> {
    const doIt = async (): Promise<T> => {
      await this.#inTurn(async () => this.#hold(log));
      this.#users.add(user);
      return work();
    };
    return this.#pending.add(doIt());
  }

  /**
   * Releases the directory once the last cache has left it and no work is in progress there. Git that hangs there keeps the
   * lock: this process could not lock the directory again before that git ends.
   */
  async leave(user: object): Promise<void> {
    this.#users.delete(user);
    await this.#pending.over();
    await this.#inTurn(async () => {
      if (this.#users.size === 0 && !isStuckWithin(this.#path)) await this.#release();
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #hold(log: Log): Promise<void> {
    if (this.#fd !== undefined) {
      if (await this.#isSame(this.#fd)) return;
      // The directory was removed, and another process may have the one that is there now.
      await this.#release();
    }
    await mkdir(this.#path, { recursive: true });
    const fd = (await this.#tryLock(log)) ?? (await this.#lockAfterSurvivors(log));
    this.#fd = fd;
    try {
      await this.#sign(fd);
      // Of a version that has not given it the lock.
      await endSurvivors(this.#path, log);
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  async #lockAfterSurvivors(log: Log): Promise<number> {
    await endSurvivors(this.#path, log);
    const fd = await this.#tryLock(log);
    if (fd !== undefined) return fd;
    const { host, pid } = await this.#record();
    const who = pid === undefined ? 'another process' : `process ${pid} of ${oneLine(String(host))}, or its git,`;
    throw inUse(`the cache in ${this.#path}`, `${who} uses it`);
  }

  /** Undefined while another process has it. */
  async #tryLock(log: Log): Promise<number | undefined> {
    for (;;) {
      const { fd, unsupported } = await tryLockFile(join(this.#path, LOCK_FILE));
      if (fd === undefined) return undefined;
      if (!(await this.#isSame(fd))) await closeFile(fd);
      else if (unsupported === undefined || (await this.#isLeft(fd, unsupported, log))) return fd;
      else return undefined;
    }
  }

  /** Without locks, the record has to suffice: two processes that start at the same moment do not see each other. */
  async #isLeft(fd: number, unsupported: string, log: Log): Promise<boolean> {
    log.warn('the directory of a cache cannot be locked: only other processes on this machine are detected', {
      folder: this.#path,
      why: unsupported,
    });
    const { machine: where, pid, start } = await this.#record();
    if (where !== machine() || !(await isProcessThere(Number(pid), start)) || Number(pid) === process.pid) return true;
    await closeFile(fd);
    return false;
  }

  async #isSame(fd: number): Promise<boolean> {
    const there = await statOf(join(this.#path, LOCK_FILE), { bigint: true }).catch(() => undefined);
    const here = await fstatOf(fd, { bigint: true });
    return there?.ino === here.ino && there.dev === here.dev;
  }

  /** For the message of the refused process. */
  async #sign(fd: number): Promise<void> {
    const start = (await startOf(process.pid))?.replace(/\W/g, '') ?? '';
    const record = `${machine()} ${String(process.pid)} ${start} ${hostname()}\n`;
    try {
      await truncateTo(fd, 0);
      await writeTo(fd, Buffer.from(record), 0, undefined, 0);
    } catch {
      // The lock counts, and another user's file may be for reading only.
    }
  }

  async #record(): Promise<Readonly<Record<string, string | undefined>>> {
    const text = await readText(join(this.#path, LOCK_FILE), 'utf8').catch(() => '');
    return RECORD.exec(text)?.groups ?? {};
  }

  async #release(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await closeFile(fd);
  }
}

const statOf = promisify(stat);
const fstatOf = promisify(fstat);
const truncateTo = promisify(ftruncate);
const writeTo = promisify(write);
const readText = promisify(readFile);
