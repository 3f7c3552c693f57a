/** For how long something may go on: until one of some signals is aborted, or a time is over. */
import type { Clock } from '../wait/clock.js';

export class Limit {
  /** Resolves when it is over; never, if it is released before. */
  readonly ended: Promise<void>;
  readonly #controller = new AbortController();
  readonly #stops: (() => void)[] = [];

  /**
   * To be released. Not by AbortSignal.any: the signals may live as long as the process, and some versions of Node never let
   * go of what was once made of them.
   */
  constructor(signals: readonly (AbortSignal | undefined)[], time?: { clock: Clock; limitMs: number; reason?: Error }) {
    this.ended = new Promise(resolve => {
      this.#controller.signal.addEventListener('abort', () => {
        resolve();
      });
    });
    for (const signal of signals) if (signal) this.#follow(signal);
    if (!time || this.isOver) return;
    const timer = time.clock.setTimer(time.limitMs, () => {
      this.#controller.abort(time.reason);
    });
    this.#stops.push(() => {
      timer.cancel();
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.signal.aborted;
  }

  /** The clock and the signals are let go. */
  release(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  #follow(signal: AbortSignal): void {
    const onAbort = (): void => {
      this.#controller.abort(signal.reason);
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    this.#stops.push(() => {
      signal.removeEventListener('abort', onAbort);
    });
  }
}
