/**
 * Fair locks by key, made when they are asked for and gone when nobody has or wants them.
 *
 * A claim stands in the line of each of its keys, and holds its lock when it is at the head of all of them. What always
 * holds: the lines are never empty; a claim enters all its lines in one step, so any two claims are in the same order
 * wherever they meet. So the oldest claim is at the head of all its lines, and claims never wait for each other in a ring,
 * whatever keys they name. Who holds a lock and waits for another can still do that: take both at once.
 */
import { invalidArgument } from '../option/invalid-argument.js';
import { onAbort } from './abort.js';

/** Gives a lock back; a second time nothing happens. Never throws. */
export type Release = () => void;

/** A lock asked for. */
interface Claim {
  readonly keys: ReadonlySet<string>;
  /** Called once, when it holds its lock. */
  readonly onHeld: () => void;
}

/**
 * One lock per key, first come first served.
 *
 *     const release = await repositories.acquire(['a', 'b'], signal);
 *     try { … } finally { release(); }
 */
export class KeyedLock {
  readonly #lines = new Map<string, Set<Claim>>();

  /** How many keys somebody has or waits for. */
  get size(): number {
    return this.#lines.size;
  }

  /** Whether nobody has it or waits for it, so that `tryAcquire` would get it. */
  isFree(key: string): boolean {
    return !this.#lines.has(key);
  }

  /**
   * Resolves with what gives the lock of all these keys back, when all who came before for any of them are done. Rejects
   * with the reason of `signal` when that is aborted before, and takes its place in no line then.
   */
  async acquire(keys: string | Iterable<string>, signal?: AbortSignal): Promise<Release> {
    const wanted = keySet(keys);
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onHeld = (): void => {
        stopListening();
        resolve(this.#releaseOf(claim));
      };
      const claim: Claim = { keys: wanted, onHeld };
      const stopListening = onAbort(signal, reason => {
        this.#leave(claim);
        reject(reason);
      });
      this.#enter(claim);
    });
  }

  /** Takes the lock of all these keys if they are all free, else gives undefined. */
  tryAcquire(keys: string | Iterable<string>): Release | undefined {
    const wanted = keySet(keys);
    for (const key of wanted) if (!this.isFree(key)) return undefined;
    const claim: Claim = { keys: wanted, onHeld() {} };
    this.#enter(claim);
    return this.#releaseOf(claim);
  }

  /** Does `work` with the lock of all these keys, and gives it back whatever becomes of that. */
  async run<T>(keys: string | Iterable<string>, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(keys, signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #enter(claim: Claim): void {
    for (const key of claim.keys) {
      const line = this.#lines.get(key);
      if (line === undefined) this.#lines.set(key, new Set([claim]));
      else line.add(claim);
    }
    if (this.#isFirst(claim)) claim.onHeld();
  }

  #leave(claim: Claim): void {
    const next = new Set<Claim>();
    for (const key of claim.keys) {
      const line = this.#lines.get(key);
      if (line === undefined) continue;
      const wasFirst = headOf(line) === claim;
      line.delete(claim);
      const head = headOf(line);
      if (head === undefined) this.#lines.delete(key);
      // Who was at the head before is either held already or waits in another line.
      else if (wasFirst) next.add(head);
    }
    for (const head of next) if (this.#isFirst(head)) head.onHeld();
  }

  #isFirst(claim: Claim): boolean {
    for (const key of claim.keys) if (headOf(this.#lines.get(key)) !== claim) return false;
    return true;
  }

  #releaseOf(claim: Claim): Release {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#leave(claim);
    };
  }
}

function headOf(line: ReadonlySet<Claim> | undefined): Claim | undefined {
  return line?.values().next().value;
}

function keySet(keys: string | Iterable<string>): Set<string> {
  const set = new Set(typeof keys === 'string' ? [keys] : keys);
  if (set.size === 0) throw invalidArgument('keys', keys, 'at least one key');
  for (const key of set) if (typeof key !== 'string') throw invalidArgument('a key', key, 'a string');
  return set;
}
