/** Logical time: what is done after what. */
import { invalidArgument } from '../option/invalid-argument.js';

/**
 * A source of ltimes. Schedulers that share anything (a cache of files, layouts) must share their clock, too: any counter
 * of a database will do.
 */
export interface LogicalClock {
  /** A higher integer each time, from 0 to `Number.MAX_SAFE_INTEGER`, whoever asks. */
  next(): Promise<number>;
}

/** The clock of a scheduler that is alone: it counts. */
export class MemoryLogicalClock implements LogicalClock {
  #last: number;

  /** `after`: the ltime before the first. Default 0. */
  constructor(after = 0) {
    this.#last = checkLtime('after', after);
  }

  async next(): Promise<number> {
    this.#last += 1;
    return this.#last;
  }
}

/** Throws TypeError (`ERR_INVALID_ARG`) for an ltime that is no integer of at least `from`. */
export function checkLtime(field: string, ltime: unknown, from = 0): number {
  if (typeof ltime === 'number' && Number.isSafeInteger(ltime) && ltime >= from) return ltime;
  throw invalidArgument(field, ltime, `an integer of ${String(from)} or more`);
}
