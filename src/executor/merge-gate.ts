/**
 * Lets a job of the merger be taken only while no update waits or runs, because updates are for jobs that are about to
 * start.
 *
 * So that constant updates do not starve the merger, the gate opens after `maxWaitMs` in any case, until a job was taken or
 * the updates pause. Being open for less than OPEN_MS counts as shut: a job source may need that long to hand out a job.
 */
import type { Clock } from '../wait/clock.js';
import { Deadline } from '../wait/deadline.js';
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
   * Calls `take` while the gate is open; its signal aborts when the gate shuts. Rejects as `take` does, or with the reason
   * of `signal`.
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
      const shut = new Deadline([signal]);
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

  /** Resolves when the updates are done, `maxWaitMs` is over, or `signal` aborts. */
  async #opens(shutSinceMs: number, signal: AbortSignal): Promise<void> {
    const leftMs = shutSinceMs + this.#maxWaitMs - this.#clock.nowMs();
    if (leftMs <= 0) return;
    const limit = new Deadline([signal], { limitMs: leftMs, clock: this.#clock });
    const forget = this.#updates.onChange(() => limit.end());
    await limit.ended;
    forget();
    limit.release();
  }
}
