/** A waiting line: so many do their work at once, the others wait for their turn, first come first served. */
import { onAbort } from './abort.js';

export class Line {
  #size: number;
  #inside = 0;
  readonly #waiting = new Set<() => void>();

  constructor(size: number) {
    this.#size = size;
  }

  get inside(): number {
    return this.#inside;
  }

  /** Nobody is inside or waits. */
  get isEmpty(): boolean {
    return this.#inside === 0 && this.#waiting.size === 0;
  }

  /** Those inside stay, also when they are too many now. */
  resize(size: number): void {
    this.#size = size;
    this.#admit();
  }

  /** Does `work` in its turn. Rejects with the reason of `signal` when that aborts before. */
  async run<T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const leave = await this.enter(signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** Resolves with what gives the place back, once. Rejects with the reason of `signal` when that aborts before. */
  enter(signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const enter = (): void => {
        stopListening();
        resolve(this.enterNow());
      };
      const stopListening = onAbort(signal, reason => {
        this.#waiting.delete(enter);
        reject(reason);
      });
      this.#waiting.add(enter);
      this.#admit();
    });
  }

  /** Enters past those that wait, also when the line is full. */
  enterNow(): () => void {
    let isInside = true;
    this.#inside++;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#inside--;
      this.#admit();
    };
  }

  #admit(): void {
    for (const enter of this.#waiting) {
      if (this.#inside >= this.#size) return;
      this.#waiting.delete(enter);
      enter();
    }
  }
}
