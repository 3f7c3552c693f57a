/** Work that goes on whether or not who began it still waits for it. */
export class PendingWork {
  readonly #all = new Set<Promise<unknown>>();

  /** Gives back the promise that it was given: whoever asked for the work hears of its failure. */
  add<T>(work: Promise<T>): Promise<T> {
    const forget = (): boolean => this.#all.delete(over);
    const over = work.then(forget, forget);
    this.#all.add(over);
    return work;
  }

  /** Resolves when all that is there now is over, well or not. */
  async over(): Promise<void> {
    await Promise.all(this.#all);
  }
}
