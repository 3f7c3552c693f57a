/** One at a time, first come first served. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when all that came before has ended, well or not, and settles as it does. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    // Of what it gave nothing is kept.
    const over = (): undefined => undefined;
    this.#last = turn.then(over, over);
    return turn;
  }
}
