/** Lets a bounded number of holders in at once; the others wait their turn, first come first served. */
export class Window {
  #size: number;
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** Nobody is inside and nobody waits. */
  get isEmpty(): boolean {
    return this.#inside === 0 && this.#waiting.length === 0;
  }

  get inside(): number {
    return this.#inside;
  }

  /** Those inside stay, also when they are too many now. */
  resize(size: number): void {
    this.#size = size;
    this.#admit();
  }

  /** Resolves with what gives the place back, once; rejects with the signal's reason when aborted before. */
  enter(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', giveUp);
        this.#inside++;
        resolve(this.#leaver());
      };
      const giveUp = (): void => {
        const at = this.#waiting.indexOf(enter);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason as Error);
      };
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      signal.addEventListener('abort', giveUp);
      this.#waiting.push(enter);
      this.#admit();
    });
  }

  #leaver(): () => void {
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#inside--;
      this.#admit();
    };
  }

  #admit(): void {
    while (this.#inside < this.#size) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }
}
