/** Lets a bounded number of holders in at once; the others wait their turn, first come first served. */
export class Window {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  /** Resolves with what gives the place back; rejects with the signal's reason when aborted before. */
  enter(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(() => {
          this.#leave();
        });
      };
      const giveUp = (): void => {
        const at = this.#waiting.indexOf(admit);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason as Error);
      };
      if (signal.aborted) {
        reject(signal.reason as Error);
      } else if (this.#free > 0) {
        this.#free--;
        admit();
      } else {
        signal.addEventListener('abort', giveUp);
        this.#waiting.push(admit);
      }
    });
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
