/** The end of a wait: when one of several signals aborts, or after a time. */
import { onAbort } from './abort.js';
import { type Clock, systemClock } from './clock.js';

interface TimeLimit {
  readonly limitMs: number;
  /** The signal's reason once the time is over. */
  readonly reason?: Error;
  readonly clock?: Clock;
}

/**
 * The caller releases it. Replaces AbortSignal.any, as its signals may live as long as the process, and some versions of
 * Node never let go of what was derived from them.
 */
export class Deadline {
  /** Resolves when it is over; never if it is released before. */
  readonly ended: Promise<void>;
  readonly #controller = new AbortController();
  readonly #stops: (() => void)[];

  constructor(signals: readonly (AbortSignal | undefined)[], time?: TimeLimit) {
    this.ended = new Promise(resolve => onAbort(this.signal, () => resolve()));
    this.#stops = signals.map(signal => onAbort(signal, reason => this.end(reason)));
    if (time === undefined || this.isOver) return;
    const { limitMs, reason, clock = systemClock } = time;
    const timer = clock.setTimer(limitMs, () => this.end(reason));
    this.#stops.push(() => timer.cancel());
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.signal.aborted;
  }

  end(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** Stops the timer and the listeners. */
  release(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}
