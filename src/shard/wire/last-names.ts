/** Remembers the records that were logged last: a problem returns with each heartbeat until it is fixed. */
export class LastNames {
  #last = '';

  /** Whether there are names, and others than last time; their order does not count. */
  areNew(names: readonly string[]): boolean {
    const sorted = [...names].sort().join();
    const isNew = sorted !== this.#last;
    this.#last = sorted;
    return isNew && names.length > 0;
  }
}

/** The first `max` names, and how many more there are. */
export function firstOf(names: readonly unknown[], max: number): string {
  const shown = names.slice(0, max).join(', ');
  return names.length > max ? `${shown} and ${String(names.length - max)} more` : shown;
}
