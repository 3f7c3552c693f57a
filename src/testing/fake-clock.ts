import { setImmediate } from 'node:timers';
import type { Clock, Timer } from '../wait/clock.js';
import { invalidArgument } from '../option/invalid-argument.js';

interface FakeTimer {
  readonly dueMs: number;
  readonly fn: () => void;
}

/**
 * A clock that stands still until `advance` moves it; pass it as a `clock` option. Its timers do not keep the process
 * alive.
 */
export class FakeClock implements Clock {
  #nowMs: number;
  #advancing = false;
  /** In the order they were set, in which those due at the same time fire. */
  #timers: FakeTimer[] = [];

  /** `startMs`: the time at which the clock starts. Default 0. */
  constructor(startMs = 0) {
    if (!Number.isFinite(startMs)) throw invalidArgument('startMs', startMs, 'a finite number of milliseconds');
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** Timers that are set and have not fired. */
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
   * Moves the clock by `ms` and fires the timers due, including new ones, in order, each at its own time. Promise jobs
   * settle (a turn of the event loop passes) before the first, after each, and before `advance` resolves, even for
   * `advance(0)`.
   *
   * Rejects with the error of a timer that throws, and the clock stops there; with a TypeError (`ERR_INVALID_ARG`) if
   * `ms` is negative or infinite; and if another `advance` has not ended.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) throw invalidArgument('ms', ms, 'a finite number of milliseconds, 0 or more');
    if (this.#advancing) throw new Error('the clock is already being advanced: await the first advance');
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

/** One turn of the event loop, in which all pending promise jobs run. */
function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
