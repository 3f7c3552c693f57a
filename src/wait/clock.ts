import { having } from '../option/option-kinds.js';
import type { Option } from '../option/option-table.js';

/** Fires at most once. */
export interface Timer {
  /** Cancels the timer; has no effect after it has fired. */
  cancel(): void;
  /** Keeps the process alive, as a new timer does. */
  ref(): void;
  /** Allows the process to end before the timer fires. */
  unref(): void;
}

/** A source of time: `systemClock`, or a `FakeClock` in tests. */
export interface Clock {
  /** Milliseconds since a fixed moment, with fractions. Never goes backwards, even if the date does. */
  nowMs(): number;
  /** Calls `fn` once after `delayMs`, never in this turn of the event loop. `Infinity` means never; no delay is too long. */
  setTimer(delayMs: number, fn: () => void): Timer;
}

/** The longest delay of Node's timers, 24 days: with a longer one they fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** The longest limit of an option to which code adds a margin before it sets a timer: 12 days. */
export const MAX_LIMIT_MS = 2 ** 30;

/** `performance.now()`, which wall-clock jumps do not move, and `setTimeout`. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer: (delayMs, fn) => (delayMs === Infinity ? NEVER : new SystemTimer(delayMs, fn)),
};

export const clockOption = (): Option<Clock, Clock> =>
  having<Clock>('nowMs', 'setTimer').orElse('real time', () => systemClock);

const NEVER: Timer = { cancel() {}, ref() {}, unref() {} };

/** Whether `work` settles within the limit; rejects as `work` does. The process waits with it. */
export function settlesWithin(limitMs: number, work: Promise<unknown>): Promise<boolean> {
  let timer = NEVER;
  const late = new Promise<boolean>(resolve => {
    timer = systemClock.setTimer(limitMs, () => resolve(false));
  });
  return Promise.race([work.then(() => true), late]).finally(() => timer.cancel());
}

class SystemTimer implements Timer {
  readonly #fn: () => void;
  #timeout: NodeJS.Timeout;

  constructor(delayMs: number, fn: () => void) {
    this.#fn = fn;
    this.#timeout = this.#arm(delayMs > 0 ? delayMs : 0);
  }

  /** Splits delays that are too long for setTimeout. */
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
