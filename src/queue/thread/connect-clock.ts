/** The connect timeout, which does not count waits for a turn. */
import { systemClock, type Timer } from '../../wait/clock.js';

export class ConnectClock {
  readonly #limitMs: number;
  readonly #onLate: () => void;
  #spentMs = 0;
  #runningSinceMs: number | undefined;
  #timer: Timer | undefined;

  /** `onLate` is called at most once. */
  constructor(limitMs: number, onLate: () => void) {
    this.#limitMs = limitMs;
    this.#onLate = onLate;
  }

  get tookMs(): number {
    return this.#spentMs + (this.#runningSinceMs === undefined ? 0 : performance.now() - this.#runningSinceMs);
  }

  run(): void {
    if (this.#runningSinceMs !== undefined) return;
    this.#runningSinceMs = performance.now();
    this.#timer = systemClock.setTimer(this.#limitMs - this.#spentMs, this.#onLate);
    // A round keeps the process alive by itself; a probe must not.
    this.#timer.unref();
  }

  pause(): void {
    this.#spentMs = this.tookMs;
    this.stop();
  }

  stop(): void {
    this.#runningSinceMs = undefined;
    this.#timer?.cancel();
  }
}
