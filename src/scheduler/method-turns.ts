/** Methods that wait, of which one runs at a time. */
import { outsideSections, refuseInSection } from '../wait/section-guard.js';
import { Line } from '../wait/line.js';

export class MethodTurns {
  /** For messages. */
  readonly #owner: string;
  readonly #turns = new Line(1);

  constructor(owner: string) {
    this.#owner = owner;
  }

  /**
   * In the order they were asked for, whatever becomes of those before. Rejects at once, with ContextSwitchError, inside a
   * section that writes.
   */
  take<T>(method: string, work: () => Promise<T>): Promise<T> {
    return outsideSections(this.#title(method), () => this.#turns.run(work));
  }

  /** Throws ContextSwitchError inside a section that writes. */
  refuse(method: string): void {
    refuseInSection(this.#title(method));
  }

  #title(method: string): string {
    return `${method} of the ${this.#owner}`;
  }
}
