/** The parts of BullMQ's objects that are used here. */
interface Lasting {
  waitUntilReady(): Promise<unknown>;
}

/** Holds an object of BullMQ. One whose first commands fail would fail forever, so it is replaced. */
export class Renewed<T extends Lasting> {
  readonly #make: () => T;
  readonly #end: (one: T) => Promise<void>;
  #current: T | undefined;
  #isClosed = false;

  constructor(make: () => T, end: (one: T) => Promise<void>) {
    this.#make = make;
    this.#end = end;
  }

  /** Rejects with the first error of an object, and after `close`; the next call tries a new object. */
  async ready(): Promise<T> {
    if (this.#isClosed) throw new Error('it was closed');
    const current = (this.#current ??= this.#make());
    try {
      await current.waitUntilReady();
      return current;
    } catch (error) {
      if (this.#current === current) {
        this.#current = undefined;
        // It rejects with the same error once more.
        await this.#end(current).catch(() => undefined);
      }
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#current !== undefined) await this.#end(this.#current);
  }
}
