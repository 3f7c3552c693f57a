/** Methods that wait, of which one runs at a time. */
import { outsideSections, refuseInSection } from '../section-guard.js';

export class Turns {
  /** For messages. */
  readonly #owner: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(owner: string) {
    this.#owner = owner;
  }

  /**
   * In the order they were asked for, whatever becomes of those before. Rejects at once, with ContextSwitchError, inside a
   * section that writes.
   */
  take<T>(method: string, work: () => Promise<T>): Promise<T> {
    return outsideSections(this.#title(method), () => {
      const done = this.#last.then(work);
      this.#last = done.catch(() => undefined);
      return done;
    });
  }

  /** Throws ContextSwitchError inside a section that writes. */
  refuse(method: string): void {
    refuseInSection(this.#title(method));
  }

  #title(method: string): string {
    return `${method} of the ${this.#owner}`;
  }
}
