/** Limits a log that strangers can fill: each kind of line once an hour. */
import type { Clock } from '../../wait/clock.js';

const AGAIN_MS = 3_600_000;
/** Most lines an hour altogether. */
const MAX_LINES = 1_000;

export class News {
  readonly #clock: Clock;
  /** Times of the last lines, the oldest first. */
  readonly #loggedMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether to log `what` now; if so, it counts as logged. */
  isNew(what: string): boolean {
    const nowMs = this.#clock.nowMs();
    for (const [line, atMs] of this.#loggedMs) {
      if (nowMs - atMs < AGAIN_MS) break;
      this.#loggedMs.delete(line);
    }
    if (this.#loggedMs.has(what) || this.#loggedMs.size >= MAX_LINES) return false;
    this.#loggedMs.set(what, nowMs);
    return true;
  }
}
