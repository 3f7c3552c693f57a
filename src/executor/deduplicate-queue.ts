/**
 * A line of work in which equal items are done once.
 *
 * What always holds: of equal items at most one is in the line. An item leaves the line when its work begins, so whoever
 * puts it in then gets work that begins after his asking. Every promise that `put` gave settles: with the work on the
 * item, or with the error that `close` was given.
 *
 * Where items need locks, a worker takes the first item whose lock it gets at once. Each one that it passes over enters the
 * line of its lock then, which is fair, so the lock comes to it, whoever else wants it. Then its work begins at once: by a
 * worker that waits or, if all are busy, besides them. So nothing starves, no lock is held by who does not work, and no
 * worker waits for one. There is at most one work for each lock, and so no more besides the workers.
 *
 * Only the first of those that need the same lock is in its line, or a long line of ours would be before everybody else
 * there; the next one enters it when that one leaves. So a worker looks at each place in our line once, and those that it
 * has looked at are before those that it has not.
 */
import { invalidArgument } from '../option/invalid-argument.js';
import { outsideSections } from '../wait/section-guard.js';

/** The locks that items need while they are worked on. First come, first served; only `acquire` may fail. */
export interface ItemLocks<T> {
  /** Names the lock of an item. */
  readonly lockOf: (item: T) => string;
  /** Takes the lock if nobody has or waits for it; gives what gives it back, which never throws. */
  readonly tryAcquire: (lock: string) => (() => void) | undefined;
  /** Takes it in its turn. Rejects when `signal` is aborted before that. */
  readonly acquire: (lock: string, signal: AbortSignal) => Promise<() => void>;
}

interface Entry<T, R> {
  readonly item: T;
  readonly key: string;
  readonly lock: string | undefined;
  /** The one after it that waits for the same lock. */
  behind: Entry<T, R> | undefined;
  readonly done: Promise<R>;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** One for each worker that is to end; no two are equal. */
class StopToken {
  readonly isStop = true;
}

type Place<T, R> = Entry<T, R> | StopToken;

type Work<T, R> = (item: T) => R | Promise<R>;

/** What a worker gets: an item with what gives its lock back, if it needs one. */
interface Task<T, R> {
  readonly entry: Entry<T, R>;
  readonly release: (() => void) | undefined;
}

interface Taker<T, R> {
  readonly work: Work<T, R>;
  readonly onTaken: (taken: Task<T, R> | StopToken) => void;
}

/** The one that stands in the line of a lock. */
interface Claim<T, R> {
  readonly entry: Entry<T, R>;
  /** Of the worker that passed it over. */
  readonly work: Work<T, R>;
  /** Of those that need the same lock. */
  last: Entry<T, R>;
}

/**
 * First in, first out; an item that equals one which still waits shares its place and its end.
 *
 *     const updates = new DeduplicateQueue<Repo>(({ connection, project }) => `${connection}:${project}`);
 *     const worker = updates.run(async repo => fetch(repo));
 *     await updates.put(repo); // as the work on it ends
 *     updates.putStop();
 *     await worker;
 */
export class DeduplicateQueue<T, R = void> {
  readonly #keyOf: (item: T) => string;
  readonly #locks: ItemLocks<T> | undefined;
  readonly #claims = new Map<string, Claim<T, R>>();
  readonly #closing = new AbortController();
  readonly #line = new Set<Place<T, R>>();
  /** Those in the line that no worker has looked at: its end. */
  readonly #fresh = new Set<Place<T, R>>();
  readonly #waiting = new Map<string, Entry<T, R>>();
  readonly #takers: Taker<T, R>[] = [];
  readonly #besides = new Set<Promise<void>>();
  #closed: { readonly error: unknown } | undefined;

  /**
   * `keyOf` gives equal keys for equal items. With `locks`, each item is worked on with its lock, and no worker waits for
   * one while it could work on another item. Throws TypeError (`ERR_INVALID_ARG`) when they are not that.
   */
  constructor(keyOf: (item: T) => string, locks?: ItemLocks<T>) {
    if (typeof keyOf !== 'function') throw invalidArgument('keyOf', keyOf, 'a function (item)');
    const { lockOf, tryAcquire, acquire } = locks ?? {};
    if (locks !== undefined && [lockOf, tryAcquire, acquire].some(method => typeof method !== 'function')) {
      throw invalidArgument('locks', locks, 'an object with the methods lockOf, tryAcquire and acquire');
    }
    this.#keyOf = keyOf;
    this.#locks = locks;
  }

  /** How many items wait. Those that are being worked on, and stop tokens, do not count. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Puts the item at the end of the line, unless an equal one waits, and settles as the work on that one ends. Rejects with
   * the error of `close` once that was called.
   */
  async put(item: T): Promise<R> {
    return outsideSections('put of a DeduplicateQueue', async () => {
      if (this.#closed !== undefined) throw this.#closed.error;
      const key = this.#keyOf(item);
      const equal = this.#waiting.get(key);
      if (equal !== undefined) return equal.done;
      const entry = newEntry<T, R>(item, key, this.#locks?.lockOf(item));
      this.#waiting.set(key, entry);
      this.#enter(entry);
      return entry.done;
    });
  }

  /** Puts a stop token at the end of the line: whoever takes it is told to stop. Each ends one worker. */
  putStop(): void {
    this.#enter(new StopToken());
  }

  /**
   * Waits for its turn and for an item, does `work` with it, and settles all who wait for that, also when it throws.
   * Gives false when it was a stop token instead.
   */
  async next(work: (item: T) => R | Promise<R>): Promise<boolean> {
    const taken = await outsideSections('next of a DeduplicateQueue', async () => this.#take(work));
    if (taken instanceof StopToken) return false;
    await this.#workOn(taken, work);
    return true;
  }

  /**
   * A worker: one item after another until it takes a stop token, and what it does besides has ended. Never rejects for what
   * `work` throws.
   */
  async run(work: (item: T) => R | Promise<R>): Promise<void> {
    while (await this.next(work));
    await Promise.all(this.#besides);
  }

  /** Rejects all who wait for an item in the line, and whoever puts one in later. Work that has begun goes on. */
  close(error: unknown): void {
    this.#closed ??= { error };
    // None of those that need the same lock is to enter its line.
    this.#claims.clear();
    this.#closing.abort(error);
    for (const entry of [...this.#waiting.values()]) this.#drop(entry, error);
    // What waited behind them.
    this.#serve();
  }

  #enter(place: Place<T, R>): void {
    this.#line.add(place);
    this.#fresh.add(place);
    this.#serve();
  }

  async #take(work: Work<T, R>): Promise<Task<T, R> | StopToken> {
    return new Promise(onTaken => {
      this.#takers.push({ work, onTaken });
      this.#serve();
    });
  }

  /** Gives those who wait for an item what there is for them. */
  #serve(): void {
    for (let [taker] = this.#takers; taker !== undefined; [taker] = this.#takers) {
      const taken = this.#firstReady(taker.work);
      if (taken === undefined) return;
      this.#takers.shift();
      taker.onTaken(taken);
    }
  }

  #firstReady(work: Work<T, R>): Task<T, R> | StopToken | undefined {
    for (const place of this.#fresh) {
      // Not before what was put in before it, and was looked at.
      if (place instanceof StopToken && this.#line.size > this.#fresh.size) return undefined;
      this.#fresh.delete(place);
      if (place instanceof StopToken) {
        this.#line.delete(place);
        return place;
      }
      const task = this.#tryTask(place, work);
      if (task !== undefined) return task;
    }
    return undefined;
  }

  /** Takes it out of the line if it can be worked on now. Otherwise its lock will come to it. */
  #tryTask(entry: Entry<T, R>, work: Work<T, R>): Task<T, R> | undefined {
    const { lock } = entry;
    let release: (() => void) | undefined;
    if (this.#locks !== undefined && lock !== undefined) {
      const claim = this.#claims.get(lock);
      if (claim !== undefined) {
        claim.last.behind = entry;
        claim.last = entry;
        return undefined;
      }
      release = this.#locks.tryAcquire(lock);
      if (release === undefined) {
        this.#claim(this.#locks, lock, { entry, work, last: entry });
        return undefined;
      }
    }
    this.#leave(entry);
    return { entry, release };
  }

  #claim(locks: ItemLocks<T>, lock: string, claim: Claim<T, R>): void {
    this.#claims.set(lock, claim);
    void this.#awaitLock(claim, locks.acquire(lock, this.#closing.signal), () => {
      if (this.#claims.get(lock) !== claim) return;
      this.#claims.delete(lock);
      const { work, last } = claim;
      const entry = claim.entry.behind;
      if (entry !== undefined) this.#claim(locks, lock, { entry, work, last });
    });
  }

  /** `pass` lets the next one enter the line of the lock. */
  async #awaitLock({ entry, work }: Claim<T, R>, acquired: Promise<() => void>, pass: () => void): Promise<void> {
    try {
      const release = await acquired;
      // Closed meanwhile.
      if (!this.#line.has(entry)) return release();
      this.#leave(entry);
      this.#begin({ entry, release }, work);
    } catch (error) {
      this.#drop(entry, error);
    }
    pass();
    this.#serve();
  }

  #begin(task: Task<T, R>, work: Work<T, R>): void {
    const taker = this.#takers.shift();
    if (taker !== undefined) return taker.onTaken(task);
    const end = this.#workOn(task, work).finally(() => this.#besides.delete(end));
    this.#besides.add(end);
  }

  /** Nothing happens when it is not in the line any more. */
  #drop(entry: Entry<T, R>, error: unknown): void {
    if (!this.#line.has(entry)) return;
    this.#leave(entry);
    entry.reject(error);
  }

  #leave(entry: Entry<T, R>): void {
    this.#line.delete(entry);
    this.#fresh.delete(entry);
    this.#waiting.delete(entry.key);
  }

  /** Never rejects: all who wait for the item hear of the end, and before that its lock is given back. */
  async #workOn({ entry, release }: Task<T, R>, work: Work<T, R>): Promise<void> {
    try {
      entry.resolve(await heldWhile(work, entry.item, release));
    } catch (error) {
      entry.reject(error);
    }
  }
}

async function heldWhile<T, R>(work: Work<T, R>, item: T, release: (() => void) | undefined): Promise<R> {
  try {
    return await work(item);
  } finally {
    release?.();
  }
}

function newEntry<T, R>(item: T, key: string, lock: string | undefined): Entry<T, R> {
  let resolve: (result: R) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const done = new Promise<R>((onDone, onFailed) => {
    resolve = onDone;
    reject = onFailed;
  });
  return { item, key, lock, behind: undefined, done, resolve, reject };
}
