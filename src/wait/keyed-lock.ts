/**
 * Fair locks by key. A claim queues in the line of each of its keys and holds its lock when it heads all of them.
 *
 * Invariants: no line is empty; a claim enters all its lines in one step, so two claims are in the same order in every line
 * that they share. So claims cannot deadlock. A caller that holds one lock while it waits for another could, so callers
 * take both at once.
 */
import { invalidArgument } from '../option/invalid-argument.js';
import { onAbort } from './abort.js';

/** Releases a lock. Idempotent; never throws. */
export type Release = () => void;

interface Claim {
  readonly keys: ReadonlySet<string>;
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

  /** How many keys are held or waited for. */
  get size(): number {
    return this.#lines.size;
  }

  /** Whether `tryAcquire` would succeed. */
  isFree(key: string): boolean {
    return !this.#lines.has(key);
  }

  /** Resolves once all earlier claims of these keys are released. Rejects with the reason of `signal` if that aborts before. */
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

  /** Returns undefined unless all these keys are free. */
  tryAcquire(keys: string | Iterable<string>): Release | undefined {
    const wanted = keySet(keys);
    for (const key of wanted) if (!this.isFree(key)) return undefined;
    const claim: Claim = { keys: wanted, onHeld() {} };
    this.#enter(claim);
    return this.#releaseOf(claim);
  }

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
      // A claim that headed the line before is either held already or waits in another line.
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
