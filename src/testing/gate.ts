import { invalidArgument } from '../option/invalid-argument.js';

/**
 * Holds work at a known point, so that a test never has to sleep: the work awaits `wait()`; the test awaits
 * `arrived()`, makes its assertions and calls `open()`.
 *
 *     const atGate = new Gate();
 *     const drone = new FakeDrone('web1', { work: () => atGate.wait() });
 *     …
 *     await atGate.arrived(); // the call is running now
 *     atGate.open();
 */
export class Gate {
  readonly #opened: Promise<void>;
  #letGo: () => void = () => undefined;
  #isOpen = false;
  #arrivals = 0;
  #watchers: { readonly arrivals: number; readonly resolve: () => void }[] = [];

  constructor() {
    this.#opened = new Promise(resolve => {
      this.#letGo = resolve;
    });
  }

  /** An opened gate stays open. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** How many callers wait now; 0 once the gate is open. */
  get waiting(): number {
    return this.#isOpen ? 0 : this.#arrivals;
  }

  /** Arrives at the gate; resolves when the gate is open. */
  wait(): Promise<void> {
    this.#arrivals += 1;
    const reached = this.#watchers.filter(watcher => watcher.arrivals <= this.#arrivals);
    this.#watchers = this.#watchers.filter(watcher => watcher.arrivals > this.#arrivals);
    for (const watcher of reached) watcher.resolve();
    return this.#opened;
  }

  /** Opens the gate for all current and later callers. */
  open(): void {
    this.#isOpen = true;
    this.#letGo();
  }

  /**
   * Resolves when `wait` has been called `count` times in total, including while the gate was open. Default 1. Rejects
   * with a TypeError (`ERR_INVALID_ARG`) unless the count is an integer of 1 or more.
   */
  async arrived(count = 1): Promise<void> {
    if (!Number.isInteger(count) || count < 1) throw invalidArgument('count', count, 'an integer of 1 or more');
    if (this.#arrivals >= count) return;
    await new Promise<void>(resolve => this.#watchers.push({ arrivals: count, resolve }));
  }
}
