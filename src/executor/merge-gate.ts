/**
 * Lets a job of the merger be taken only while no update waits or runs: those are for jobs that are about to start.
 *
 * Updates that never pause would starve the merger. So once the gate has not been open for `maxWaitMs`, it opens though
 * updates run, and stays so until a job was taken or the updates pause. A gate that was open for less than OPEN_MS at a
 * time counts as shut all along: a job source may need that long to hand a job out.
 */
import type { Clock } from '../wait/clock.js';
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
      const shut = new AbortController();
      const onAbort = (): void => shut.abort(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      const forget = this.#updates.onChange(() => shut.abort());
      try {
        return await take(shut.signal);
      } catch (error) {
        if (signal.aborted || !shut.signal.aborted) throw error;
      } finally {
        forget();
        signal.removeEventListener('abort', onAbort);
      }
      if (this.#clock.nowMs() - openedMs >= OPEN_MS) shutSinceMs = undefined;
    }
  }

  /** Resolves when the updates are done or the patience is, or `signal` is aborted. */
  async #opens(shutSinceMs: number, signal: AbortSignal): Promise<void> {
    const leftMs = shutSinceMs + this.#maxWaitMs - this.#clock.nowMs();
    if (leftMs <= 0) return;
    await new Promise<void>(resolve => {
      const open = (): void => {
        timer.cancel();
        forget();
        signal.removeEventListener('abort', open);
        resolve();
      };
      const timer = this.#clock.setTimer(leftMs, open);
      const forget = this.#updates.onChange(open);
      signal.addEventListener('abort', open, { once: true });
      if (signal.aborted) open();
    });
  }
}
