/** For how long something may go on: until one of some signals is aborted, or a time is over. */
import { onAbort } from './abort.js';
import { type Clock, systemClock } from './clock.js';

export interface TimeLimit {
  readonly limitMs: number;
  /** Of the signal, once the time is over. */
  readonly reason?: Error;
  readonly clock?: Clock;
}

export class Limit {
  /** Resolves when it is over; never, if it is released before. */
  readonly ended: Promise<void>;
  readonly #controller = new AbortController();
  readonly #stops: (() => void)[];

  /**
   * To be released. Not by AbortSignal.any: the signals may live as long as the process, and some versions of Node never let
   * go of what was once made of them.
   */
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

  /** It is over now. */
  end(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** The clock and the signals are let go. */
  release(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}
