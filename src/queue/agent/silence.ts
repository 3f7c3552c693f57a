/** Notices a silent link: a dropped connection does not always end. */
import { systemClock, type Timer } from '../../wait/clock.js';

export class Silence {
  readonly #onSilence: () => void;
  #limitMs = Infinity;
  #heardAtMs = performance.now();
  #timer: Timer | undefined;

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence;
  }

  /** From now on, `limitMs` without a byte is too long. */
  start(limitMs: number): void {
    this.#limitMs = limitMs;
    this.heard();
    this.#arm();
  }

  heard(): void {
    this.#heardAtMs = performance.now();
  }

  #leftMs(): number {
    return this.#heardAtMs + this.#limitMs - performance.now();
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = systemClock.setTimer(this.#leftMs(), () => {
      // The process may have been suspended: what arrived meanwhile is read first.
      setImmediate(() => {
        if (this.#leftMs() <= 0) this.#onSilence();
        else this.#arm();
      });
    });
    this.#timer.unref();
  }
}
