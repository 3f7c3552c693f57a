/** Records of one packet that the master refused: the reply lists some of them and counts the rest. */
import { oneLine } from '../../report/untrusted-text.js';
import type { Refused } from '../wire/heartbeat.js';

/** A longer list does not help, and could make the reply too large for its shard. */
const MAX_LISTED = 1_000;

export class Refusals {
  readonly #listed: Refused[] = [];
  readonly #more = new Map<Refused['record'], number>();

  get isFull(): boolean {
    return this.#listed.length >= MAX_LISTED;
  }

  get count(): number {
    return [...this.#more.values()].reduce((sum, count) => sum + count, this.#listed.length);
  }

  /** Shortens `reason`: it may hold a shard's text, such as a field name, and goes into logs and replies. */
  add(record: Refused['record'], id: number | null, reason: string): void {
    if (this.isFull) this.addUnread(record, 1);
    else this.#listed.push({ record, id, reason: oneLine(reason) });
  }

  /** Records that are counted but not listed. */
  addUnread(record: Refused['record'], count: number): void {
    this.#more.set(record, (this.#more.get(record) ?? 0) + count);
  }

  addAll(others: Refusals): void {
    for (const { record, id, reason } of others.#listed) this.add(record, id, reason);
    for (const [record, count] of others.#more) this.addUnread(record, count);
  }

  list(): Refused[] {
    const more = [...this.#more].map(([record, count]) => {
      const reason = `and ${String(count)} more, refused or not examined: only ${String(MAX_LISTED)} per packet are listed`;
      return { record, id: null, reason };
    });
    return [...this.#listed, ...more];
  }
}
