/** A clock that stands still until the test moves it. */
import { setImmediate } from 'node:timers';
import type { Clock, Timer } from '../wait/clock.js';
import { invalidArgument } from '../option/invalid-argument.js';

interface FakeTimer {
  readonly dueMs: number;
  readonly fn: () => void;
}

/**
 * For tests of what waits: give it as the `clock` option and move it with `advance`. Its timers do not keep the process
 * alive.
 */
export class FakeClock implements Clock {
  #nowMs: number;
  #advancing = false;
  /** In the order they were set, which is the order in which equal ones fire. */
  #timers: FakeTimer[] = [];

  /** `startMs`: what the clock shows at first. Default 0. */
  constructor(startMs = 0) {
    if (!Number.isFinite(startMs)) throw invalidArgument('startMs', startMs, 'a finite number of milliseconds');
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** How many timers are set and have not fired. */
  get timers(): number {
    return this.#timers.length;
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    const timer: FakeTimer = { dueMs: this.#nowMs + (delayMs > 0 ? delayMs : 0), fn };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter(other => other !== timer);
      },
      ref() {},
      unref() {},
    };
  }

  /**
   * Moves the clock by `ms`. Timers that fall due on the way fire one by one in order, each at its own time, those too
   * that are set on the way. Promise jobs settle (a turn of the event loop passes) before the first, after each, and
   * before `advance` resolves; `advance(0)` lets them settle and fires what is due now.
   *
   * Rejects with what a timer throws, the clock then standing at that timer; with TypeError (`ERR_INVALID_ARG`) for a
   * negative or endless move; and when another `advance` has not ended.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) throw invalidArgument('ms', ms, 'a finite number of milliseconds, 0 or more');
    if (this.#advancing) throw new Error('the clock is being advanced already: await the first advance');
    this.#advancing = true;
    try {
      const untilMs = this.#nowMs + ms;
      await settle();
      for (let timer = this.#takeDue(untilMs); timer !== undefined; timer = this.#takeDue(untilMs)) {
        this.#nowMs = timer.dueMs;
        timer.fn();
        await settle();
      }
      this.#nowMs = untilMs;
    } finally {
      this.#advancing = false;
    }
  }

  #takeDue(untilMs: number): FakeTimer | undefined {
    let first: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    }
    if (first !== undefined) this.#timers = this.#timers.filter(timer => timer !== first);
    return first;
  }
}

/** One turn of the event loop: all promise jobs that can run have run. */
function settle(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve);
  });
}
