/** Time, as everything here reads it: a clock that only goes forward, and timers on it. */
import { having } from '../option/option-kinds.js';
import type { Option } from '../option/option-table.js';

/** A timer that was set; it fires at most once. */
export interface Timer {
  /** It will not fire. Harmless after it fired. */
  cancel(): void;
  /** It keeps the process alive, which a new timer does. */
  ref(): void;
  /** It no longer keeps the process alive. */
  unref(): void;
}

/** A source of time. `systemClock` is the real one; tests may give a `FakeClock`. */
export interface Clock {
  /** Milliseconds since some fixed moment, with fractions. Never goes back, whatever happens to the date. */
  nowMs(): number;
  /**
   * Calls `fn` once, `delayMs` from now and never in this turn of the event loop. What is not above 0 counts as 0,
   * `Infinity` as never; a delay may be as long as you like.
   */
  setTimer(delayMs: number, fn: () => void): Timer;
}

/** Longest delay that Node's timers take, 24 days: they fire at once for a longer one. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Longest limit of an option that others add margins to before they set a timer: 12 days, as good as for ever. */
export const MAX_LIMIT_MS = 2 ** 30;

/** Real time: `performance.now()`, which wall-clock jumps do not move, and `setTimeout`. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer: (delayMs, fn) => (delayMs === Infinity ? NEVER : new SystemTimer(delayMs, fn)),
};

export const clockOption = (): Option<Clock, Clock> =>
  having<Clock>('nowMs', 'setTimer').orElse('real time', () => systemClock);

const NEVER: Timer = { cancel() {}, ref() {}, unref() {} };

class SystemTimer implements Timer {
  readonly #fn: () => void;
  #timeout: NodeJS.Timeout;

  constructor(delayMs: number, fn: () => void) {
    this.#fn = fn;
    this.#timeout = this.#arm(delayMs > 0 ? delayMs : 0);
  }

  /** Delays that setTimeout does not take are cut into some that it does. */
  #arm(leftMs: number): NodeJS.Timeout {
    if (leftMs <= MAX_TIMER_MS) return setTimeout(this.#fn, leftMs);
    return setTimeout(() => {
      const held = this.#timeout.hasRef();
      this.#timeout = this.#arm(leftMs - MAX_TIMER_MS);
      if (!held) this.#timeout.unref();
    }, MAX_TIMER_MS);
  }

  cancel(): void {
    clearTimeout(this.#timeout);
  }

  ref(): void {
    this.#timeout.ref();
  }

  unref(): void {
    this.#timeout.unref();
  }
}
