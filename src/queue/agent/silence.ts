/** Notices that a link has gone quiet: a dropped one does not always end. */

/** Longest delay of a timer, ms; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Silence {
  readonly #onSilence: () => void;
  #limitMs = Infinity;
  #heardAtMs = performance.now();
  #timer: NodeJS.Timeout | undefined;

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
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        // The whole process may have been asleep: what came meanwhile is read before this is judged.
        setImmediate(() => {
          if (this.#leftMs() <= 0) this.#onSilence();
          else this.#arm();
        });
      },
      Math.min(Math.max(this.#leftMs(), 1), LONGEST_TIMER_MS),
    ).unref();
  }
}
