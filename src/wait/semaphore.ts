/** A fair semaphore: `size` tasks run at once, the others wait in order of arrival. */
import { onAbort } from './abort.js';

export class Semaphore {
  #size: number;
  #inside = 0;
  readonly #waiting = new Set<() => void>();

  constructor(size: number) {
    this.#size = size;
  }

  get inside(): number {
    return this.#inside;
  }

  get isEmpty(): boolean {
    return this.#inside === 0 && this.#waiting.size === 0;
  }

  /** Tasks inside stay, even when they are more than the new size. */
  resize(size: number): void {
    this.#size = size;
    this.#admit();
  }

  /** Rejects with the reason of `signal` when that aborts before `work` starts. */
  async run<T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const leave = await this.enter(signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** Resolves with a function that leaves, once. Rejects with the reason of `signal` when that aborts before. */
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

  /** Enters ahead of those that wait, even when it is full. */
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
