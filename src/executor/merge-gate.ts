/**
 * Lets a job of the merger be taken only while no update waits or runs: those are for jobs that are about to start.
 *
 * Updates that never pause would starve the merger. So once the gate has not been open for `maxWaitMs`, it opens though
 * updates run, and stays so until a job was taken or the updates pause. A gate that was open for less than OPEN_MS at a
 * time counts as shut all along: a job source may need that long to hand a job out.
 */
import type { Clock } from '../wait/clock.js';
import { Limit } from '../wait/limit.js';
import type { Updates } from './updates.js';

const OPEN_MS = 1000;

export class MergeGate {
  readonly #updates: Updates;
  readonly #maxWaitMs: number;
  readonly #clock: Clock;

  constructor(updates: Updates, maxWaitMs: number, clock: Clock) {
    this.#updates = updates;
    this.#maxWaitMs = maxWaitMs;
    this.#clock = clock;
  }

  /**
   * Gives what `take` gives, which is called when the gate is open, and whose signal is aborted when it shuts. Rejects as
   * `take` does otherwise, and with the reason of `signal`.
   */
  async pass<T>(take: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    let shutSinceMs: number | undefined;
    for (;;) {
      if (!this.#updates.isIdle) {
        shutSinceMs ??= this.#clock.nowMs();
        await this.#opens(shutSinceMs, signal);
      }
      signal.throwIfAborted();
      const openedMs = this.#clock.nowMs();
      const shut = new Limit([signal]);
      const forget = this.#updates.onChange(() => shut.end());
      try {
        return await take(shut.signal);
      } catch (error) {
        if (signal.aborted || !shut.isOver) throw error;
      } finally {
        forget();
        shut.release();
      }
      if (this.#clock.nowMs() - openedMs >= OPEN_MS) shutSinceMs = undefined;
    }
  }

  /** Resolves when the updates are done or the patience is, or `signal` is aborted. */
  async #opens(shutSinceMs: number, signal: AbortSignal): Promise<void> {
    const leftMs = shutSinceMs + this.#maxWaitMs - this.#clock.nowMs();
    if (leftMs <= 0) return;
    const limit = new Limit([signal], { limitMs: leftMs, clock: this.#clock });
    const forget = this.#updates.onChange(() => limit.end());
    await limit.ended;
    forget();
    limit.release();
  }
}
