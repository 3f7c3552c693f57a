/** What the soak has counted. */

/** A promise that was broken. */
export interface Breach {
  /** In words. */
  readonly what: string;
  /** Of the call that it is about. */
  readonly id?: string | undefined;
}

export class Tally {
  readonly breaches: Breach[] = [];
  readonly #counts = new Map<string, Map<string, number>>();

  count(table: string, what: string, by = 1): void {
    let counts = this.#counts.get(table);
    if (!counts) this.#counts.set(table, (counts = new Map<string, number>()));
    counts.set(what, (counts.get(what) ?? 0) + by);
  }

  of(table: string, what: string): number {
    return this.#counts.get(table)?.get(what) ?? 0;
  }

  total(table: string): number {
    return [...(this.#counts.get(table)?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  }

  /** `12 lost, 3 timeout`, the most frequent first. */
  line(table: string): string {
    const counts = [...(this.#counts.get(table) ?? [])].sort(([, a], [, b]) => b - a);
    return counts.map(([what, count]) => `${String(count)} ${what}`).join(', ') || 'none';
  }
}
