/** Work that goes on even when its caller no longer waits for it. */
export class PendingWork {
  readonly #all = new Set<Promise<unknown>>();

  /** Returns the same promise: its caller handles the failure. */
  add<T>(work: Promise<T>): Promise<T> {
    const forget = (): boolean => this.#all.delete(over);
    const over = work.then(forget, forget);
    this.#all.add(over);
    return work;
  }

  /** Resolves when all current work has settled. */
  async over(): Promise<void> {
    await Promise.all(this.#all);
  }
}
