/** A rate limit per name: a number per minute, which may come all at once. */
import type { Clock } from '../../wait/clock.js';
import { Recent } from './recent.js';

interface Bucket {
  left: number;
  atMs: number;
}

const MINUTE_MS = 60_000;
/** An evicted name starts again with a full bucket. */
const MAX_BUCKETS = 10_000;

export class RateLimit {
  readonly #perMinute: number;
  readonly #clock: Clock;
  readonly #buckets = new Recent<string, Bucket>(MAX_BUCKETS);

  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute;
    this.#clock = clock;
  }

  /** Returns 0 if allowed, else the time to wait, ms. */
  take(name: string): number {
    if (this.#perMinute === Infinity) return 0;
    const nowMs = this.#clock.nowMs();
    const bucket = this.#buckets.get(name) ?? { left: this.#perMinute, atMs: nowMs };
    const perMs = this.#perMinute / MINUTE_MS;
    bucket.left = Math.min(this.#perMinute, bucket.left + (nowMs - bucket.atMs) * perMs);
    bucket.atMs = nowMs;
    this.#buckets.set(name, bucket);
    if (bucket.left < 1) return (1 - bucket.left) / perMs;
    bucket.left -= 1;
    return 0;
  }

  /** Undoes a `take`. */
  giveBack(name: string): void {
    const bucket = this.#buckets.get(name);
    if (bucket !== undefined) bucket.left += 1;
  }
}
