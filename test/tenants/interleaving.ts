/** Work whose every wait ends when a made-up order says so. */

export class Interleaving {
  readonly #waiting: (() => void)[] = [];
  #state: number;

  /** The same seed makes the same order again. */
  constructor(seed: number) {
    this.#state = seed;
  }

  /** Resolves when it is the caller's turn. */
  turn(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve);
    });
  }

  /** Gives turns until none is awaited any more: what is unsettled by then waits forever. */
  async untilIdle(): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      if (this.#waiting.length === 0) return;
      for (const next of this.#waiting.splice(this.#pick(this.#waiting.length), 1)) next();
    }
  }

  /** A linear congruential generator, of which the upper bits are good enough to choose by. */
  #pick(count: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * count);
  }
}
