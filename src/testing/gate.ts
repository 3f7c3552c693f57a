/** A place in a test's code where work stops until the test lets it go on. */
import { invalidArgument } from '../option/invalid-argument.js';

/**
 * Holds work at a known point, so that a test never has to sleep: the work awaits `wait()`, the test awaits
 * `arrived()`, looks around, and calls `open()`.
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

  /** Whether it has been opened. It stays open. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** How many wait at it now; 0 once it is open. */
  get waiting(): number {
    return this.#isOpen ? 0 : this.#arrivals;
  }

  /** Arrives at the gate; resolves when it is open. */
  wait(): Promise<void> {
    this.#arrivals += 1;
    const reached = this.#watchers.filter(watcher => watcher.arrivals <= this.#arrivals);
    this.#watchers = this.#watchers.filter(watcher => watcher.arrivals > this.#arrivals);
    for (const watcher of reached) watcher.resolve();
    return this.#opened;
  }

  /** Lets go all who wait, and whoever comes later. */
  open(): void {
    this.#isOpen = true;
    this.#letGo();
  }

  /**
   * Resolves when `count` have arrived in all since the gate was made, through the open gate too. Default 1.
   * Rejects with TypeError (`ERR_INVALID_ARG`) for a count that is not an integer of 1 or more.
   */
  async arrived(count = 1): Promise<void> {
    if (!Number.isInteger(count) || count < 1) throw invalidArgument('count', count, 'an integer of 1 or more');
    if (this.#arrivals >= count) return;
    await new Promise<void>(resolve => {
      this.#watchers.push({ arrivals: count, resolve });
    });
  }
}
