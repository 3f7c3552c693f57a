/** Notices that a link has gone quiet: a dropped one does not always end. */
import { systemClock, type Timer } from '../../wait/clock.js';

export class Silence {
  readonly #onSilence: () => void;
  #limitMs = Infinity;
  #heardAtMs = performance.now();
  #timer: Timer | undefined;

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence;
  }

  /** From now on, `limitMs` without a byte is too long; Infinity never is. */
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
      // The whole process may have been asleep: what came meanwhile is read before this is judged.
      setImmediate(() => {
        if (this.#leftMs() <= 0) this.#onSilence();
        else this.#arm();
      });
    });
    this.#timer.unref();
  }
}
