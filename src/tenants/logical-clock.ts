import { invalidArgument } from '../option/invalid-argument.js';

/** A source of ltimes, such as a counter in a database. Schedulers that share files or layouts must share it. */
export interface LogicalClock {
  /** Returns a higher integer for each call by any caller, from 0 to `Number.MAX_SAFE_INTEGER`. */
  next(): Promise<number>;
}

/** A counter for a scheduler that shares nothing. */
export class MemoryLogicalClock implements LogicalClock {
  #last: number;

  /** `after`: the ltime before the first. Default 0. */
  constructor(after = 0) {
    this.#last = checkLtime('after', after);
  }

  async next(): Promise<number> {
    return ++this.#last;
  }
}

/** Throws a TypeError (`ERR_INVALID_ARG`) unless it is an integer of at least `from`. */
export function checkLtime(field: string, ltime: unknown, from = 0): number {
  if (typeof ltime === 'number' && Number.isSafeInteger(ltime) && ltime >= from) return ltime;
  throw invalidArgument(field, ltime, `an integer of ${String(from)} or more`);
}
