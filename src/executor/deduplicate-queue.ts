/**
 * A line of work in which equal items are done once.
 *
 * What always holds: of equal items at most one is in the line. An item leaves the line when its work begins, so whoever
 * puts it in then gets work that begins after his asking. Every promise that `put` gave settles: with the work on the
 * item, or with the error that `close` was given.
 *
 * Where items need locks, a worker takes the first item whose lock it gets at once. Each one that it passes over enters the
 * line of its lock then, and keeps its place in this line: so the lock, which is fair, comes to it, whoever else wants it,
 * and waits for the next worker. Nothing starves, then: whatever is before an item leaves this line, or is passed over, and
 * nothing comes in between. Only the first of those that need the same lock is in its line, or a long line of ours would be
 * before everybody else there.
 */
import { invalidArgument } from '../invalid-argument.js';
import { outsideSections } from '../section-guard.js';

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
  /** Gives its lock back. Undefined when it has none. */
  release: (() => void) | undefined;
  readonly done: Promise<R>;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** One for each worker that is to end; no two are equal. */
class StopToken {
  readonly isStop = true;
}

type Place<T, R> = Entry<T, R> | StopToken;

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
  /** Those in the line that stand in the line of their lock, too, or have it, by their locks. */
  readonly #claims = new Map<string, Entry<T, R>>();
  readonly #closing = new AbortController();
  readonly #line = new Set<Place<T, R>>();
  readonly #waiting = new Map<string, Entry<T, R>>();
  readonly #takers: ((place: Place<T, R>) => void)[] = [];
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
      this.#line.add(entry);
      this.#serve();
      return entry.done;
    });
  }

  /** Puts a stop token at the end of the line: whoever takes it is told to stop. Each ends one worker. */
  putStop(): void {
    this.#line.add(new StopToken());
    this.#serve();
  }

  /**
   * Waits for its turn and for an item, does `work` with it, and settles all who wait for that, also when it throws.
   * Gives false when it was a stop token instead.
   */
  async next(work: (item: T) => R | Promise<R>): Promise<boolean> {
    const place = await outsideSections('next of a DeduplicateQueue', async () => this.#take());
    if (place instanceof StopToken) return false;
    try {
      place.resolve(await this.#workOn(place, work));
    } catch (error) {
      place.reject(error);
    }
    return true;
  }

  /** A worker: one item after another until it takes a stop token. Never rejects for what `work` throws. */
  async run(work: (item: T) => R | Promise<R>): Promise<void> {
    while (await this.next(work));
  }

  /** Rejects all who wait for an item in the line, and whoever puts one in later. Work that has begun goes on. */
  close(error: unknown): void {
    this.#closed ??= { error };
    this.#closing.abort(error);
    for (const entry of [...this.#waiting.values()]) this.#drop(entry, error);
    // What waited behind them.
    this.#serve();
  }

  async #take(): Promise<Place<T, R>> {
    return new Promise(resolve => {
      this.#takers.push(resolve);
      this.#serve();
    });
  }

  /** Gives those who wait for an item what there is for them. */
  #serve(): void {
    while (this.#takers.length > 0) {
      const place = this.#firstReady();
      if (place === undefined) return;
      this.#leave(place);
      this.#takers.shift()?.(place);
    }
  }

  #firstReady(): Place<T, R> | undefined {
    const [first] = this.#line;
    for (const place of this.#line) {
      // Not before what was put in before it.
      if (place instanceof StopToken) return place === first ? place : undefined;
      if (this.#isReady(place)) return place;
    }
    return undefined;
  }

  /** Whether it can be worked on now; it has its lock then. Otherwise that will come to it. */
  #isReady(entry: Entry<T, R>): boolean {
    const { lock } = entry;
    if (this.#locks === undefined || lock === undefined || entry.release !== undefined) return true;
    if (this.#claims.has(lock)) return false;
    entry.release = this.#locks.tryAcquire(lock);
    if (entry.release !== undefined) return true;
    this.#claims.set(lock, entry);
    void this.#claim(entry, this.#locks.acquire(lock, this.#closing.signal));
    return false;
  }

  async #claim(entry: Entry<T, R>, acquired: Promise<() => void>): Promise<void> {
    try {
      const release = await acquired;
      if (!this.#line.has(entry)) return release();
      entry.release = release;
    } catch (error) {
      this.#drop(entry, error);
    }
    this.#serve();
  }

  /** Nothing happens when it is not in the line any more. */
  #drop(entry: Entry<T, R>, error: unknown): void {
    if (!this.#line.has(entry)) return;
    this.#leave(entry);
    entry.release?.();
    entry.reject(error);
  }

  #leave(place: Place<T, R>): void {
    this.#line.delete(place);
    if (place instanceof StopToken) return;
    this.#waiting.delete(place.key);
    if (place.lock !== undefined && this.#claims.get(place.lock) === place) this.#claims.delete(place.lock);
  }

  /** Its lock is given back before anybody hears of the end. */
  async #workOn({ item, release }: Entry<T, R>, work: (item: T) => R | Promise<R>): Promise<R> {
    try {
      return await work(item);
    } finally {
      release?.();
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
  return { item, key, lock, release: undefined, done, resolve, reject };
}
