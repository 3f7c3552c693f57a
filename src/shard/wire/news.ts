/** What is worth a line in a log that strangers can fill: a thing at its first time, and then once an hour. */
import type { Clock } from '../../wait/clock.js';

const AGAIN_MS = 3_600_000;
/** So many lines an hour at the most, whoever comes from wherever. */
const MAX_TOLD = 1_000;

export class News {
  readonly #clock: Clock;
  /** When it was told, the oldest first. */
  readonly #toldMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether to tell it; it counts as told then. */
  isNew(what: string): boolean {
    const nowMs = this.#clock.nowMs();
    for (const [told, atMs] of this.#toldMs) {
      if (nowMs - atMs < AGAIN_MS) break;
      this.#toldMs.delete(told);
    }
    if (this.#toldMs.has(what) || this.#toldMs.size >= MAX_TOLD) return false;
    this.#toldMs.set(what, nowMs);
    return true;
  }
}
