/**
 * A line of work in which equal items are done once.
 *
 * What always holds: of equal items at most one is in the line. An item leaves the line when its work begins, so whoever
 * puts it in then gets work that begins after his asking. Every promise that `put` gave settles: with the work on the
 * item, or with the error that `close` was given.
 */
import { invalidArgument } from '../invalid-argument.js';
import { outsideSections } from '../section-guard.js';

interface Entry<T, R> {
  readonly item: T;
  readonly key: string;
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
  readonly #line = new Set<Place<T, R>>();
  readonly #waiting = new Map<string, Entry<T, R>>();
  readonly #takers: ((place: Place<T, R>) => void)[] = [];
  #closed: { readonly error: unknown } | undefined;

  /** `keyOf` gives equal keys for equal items. Throws TypeError (`ERR_INVALID_ARG`) when it is no function. */
  constructor(keyOf: (item: T) => string) {
    if (typeof keyOf !== 'function') throw invalidArgument('keyOf', keyOf, 'a function (item)');
    this.#keyOf = keyOf;
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
      const entry = newEntry<T, R>(item, key);
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
    const place = await outsideSections('next of a DeduplicateQueue', async () => this.#take());
    if (place instanceof StopToken) return false;
    try {
      place.resolve(await work(place.item));
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
    for (const entry of this.#waiting.values()) {
      this.#line.delete(entry);
      entry.reject(error);
    }
    this.#waiting.clear();
  }

  #enter(place: Place<T, R>): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#line.add(place);
    else this.#leave(place, taker);
  }

  async #take(): Promise<Place<T, R>> {
    const [first] = this.#line;
    return new Promise(resolve => {
      if (first === undefined) this.#takers.push(resolve);
      else this.#leave(first, resolve);
    });
  }

  #leave(place: Place<T, R>, taker: (place: Place<T, R>) => void): void {
    this.#line.delete(place);
    if (!(place instanceof StopToken)) this.#waiting.delete(place.key);
    taker(place);
  }
}

function newEntry<T, R>(item: T, key: string): Entry<T, R> {
  let resolve: (result: R) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const done = new Promise<R>((onDone, onFailed) => {
    resolve = onDone;
    reject = onFailed;
  });
  return { item, key, done, resolve, reject };
}
