/**
 * A queue of work in which equal items run once.
 *
 * Invariants: of equal items at most one is in the line. An item leaves the line when its work begins, so a later `put`
 * gets work that begins after it. Every promise of `put` settles: with the work on the item, or the error of `close`.
 *
 * With locks, a worker takes the first item whose lock is free. An item that it passes over enters the fair line of its
 * lock. When the lock is granted, the work begins at once: in a waiting worker or, if all are busy, in addition to them. So
 * nothing starves, idle work holds no lock, no worker waits for one, and at most one work runs per lock.
 *
 * Of the items that need one lock only the first is in its line, so that a long line here does not delay other users of
 * the lock. So a worker looks at each place once, and places it has looked at precede those it has not.
 */
import { invalidArgument } from '../option/invalid-argument.js';
import { outsideSections } from '../wait/section-guard.js';

/** The locks that items need while work on them is in progress. First come, first served; only `acquire` may fail. */
export interface ItemLocks<T> {
  /** Returns the name of an item's lock. */
  readonly lockOf: (item: T) => string;
  /** Takes a lock that is neither held nor waited for. Returns a function that releases the lock and never throws. */
  readonly tryAcquire: (lock: string) => (() => void) | undefined;
  /** Waits for its turn and takes the lock. Rejects if `signal` aborts before that. */
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

/** Ends one worker; no two are equal. */
class StopToken {
  readonly isStop = true;
}

type Place<T, R> = Entry<T, R> | StopToken;

type Work<T, R> = (item: T) => R | Promise<R>;

/** An item, with what releases its lock. */
interface Task<T, R> {
  readonly entry: Entry<T, R>;
  readonly release: (() => void) | undefined;
}

interface Taker<T, R> {
  readonly work: Work<T, R>;
  readonly onTaken: (taken: Task<T, R> | StopToken) => void;
}

/** The entry that waits for a lock. */
interface Claim<T, R> {
  readonly entry: Entry<T, R>;
  /** The work of the worker that passed it over. */
  readonly work: Work<T, R>;
  /** The last entry that needs the same lock. */
  last: Entry<T, R>;
}

/**
 * First in, first out; an item that equals a waiting one shares its place and its outcome.
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
  /** The end of the line, which no worker has looked at. */
  readonly #fresh = new Set<Place<T, R>>();
  readonly #waiting = new Map<string, Entry<T, R>>();
  readonly #takers: Taker<T, R>[] = [];
  readonly #besides = new Set<Promise<void>>();
  #closed: { readonly error: unknown } | undefined;

  /**
   * `keyOf` returns equal keys for equal items. With `locks`, work on an item holds its lock, and no worker waits for a
   * lock while another item is ready. Throws a TypeError (`ERR_INVALID_ARG`) for arguments of other types.
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

  /** How many items wait, not counting stop tokens and items on which work has begun. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Puts the item at the end of the queue, unless an equal one waits. Settles with the work on it, or the error of
   * `close`.
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

  /** Puts a stop token at the end of the queue; it ends the worker that takes it. */
  putStop(): void {
    this.#enter(new StopToken());
  }

  /** Waits for an item, runs `work` on it, and settles its `put` calls. Resolves with false for a stop token. */
  async next(work: (item: T) => R | Promise<R>): Promise<boolean> {
    const taken = await outsideSections('next of a DeduplicateQueue', async () => this.#take(work));
    if (taken instanceof StopToken) return false;
    await this.#workOn(taken, work);
    return true;
  }

  /** A worker: takes one item after another until it takes a stop token. It does not reject if `work` throws. */
  async run(work: (item: T) => R | Promise<R>): Promise<void> {
    while (await this.next(work));
    await Promise.all(this.#besides);
  }

  /** Rejects all waiting and later `put` calls. Work that has begun continues. */
  close(error: unknown): void {
    this.#closed ??= { error };
    // So that no entry behind a claim enters the line of its lock.
    this.#claims.clear();
    this.#closing.abort(error);
    for (const entry of [...this.#waiting.values()]) this.#drop(entry, error);
    // Stop tokens that waited behind them.
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
      // Not before entries that were looked at and still wait.
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

  /** Takes it out of the line if its lock is free. Otherwise it waits for its lock. */
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

  /** `pass` lets the next entry claim the lock. */
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

  /** Never rejects. Releases the lock before it settles the item. */
  async #workOn({ entry, release }: Task<T, R>, work: Work<T, R>): Promise<void> {
    try {
      const result = await work(entry.item);
      release?.();
      entry.resolve(result);
    } catch (error) {
      release?.();
      entry.reject(error);
    }
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
