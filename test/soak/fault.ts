/** A fault of the soak, and what it met. */
import type { Dice } from './dice.js';

/** A fault that was injected. */
export interface Injected {
  /** Whom it meets. */
  readonly on: string;
  /** Ends it, where it does not end by itself; after `lastsMs`, or with the storm. */
  readonly end?: () => Promise<void> | void;
  readonly lastsMs?: number;
}

export interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Undefined when there is nothing to meet now. */
  inject(dice: Dice): Promise<Injected | undefined> | Injected | undefined;
}
