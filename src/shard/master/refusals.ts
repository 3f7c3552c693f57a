/** What of one packet the master has refused: a reply tells so much of it, and how much more there is. */
import { oneLine } from '../../report/untrusted-text.js';
import type { Refused } from '../wire/heartbeat.js';

/** More of them tell nobody more, and would make a reply that its shard cannot take. */
const MAX_TOLD = 1_000;

export class Refusals {
  readonly #told: Refused[] = [];
  readonly #more = new Map<Refused['record'], number>();

  /** Nothing more is told one by one. */
  get isFull(): boolean {
    return this.#told.length >= MAX_TOLD;
  }

  /** Of all, told or not. */
  get count(): number {
    return [...this.#more.values()].reduce((sum, count) => sum + count, this.#told.length);
  }

  /** What is long in `reason` is the shard's own, as the name of a field may be: it goes into logs and replies. */
  add(record: Refused['record'], id: number | null, reason: string): void {
    if (this.isFull) this.addUnread(record, 1);
    else this.#told.push({ record, id, reason: oneLine(reason) });
  }

  /** Records that count only. */
  addUnread(record: Refused['record'], count: number): void {
    this.#more.set(record, (this.#more.get(record) ?? 0) + count);
  }

  addAll(others: Refusals): void {
    for (const { record, id, reason } of others.#told) this.add(record, id, reason);
    for (const [record, count] of others.#more) this.addUnread(record, count);
  }

  list(): Refused[] {
    const more = [...this.#more].map(([record, count]) => {
      const reason = `and ${String(count)} more, refused or not looked at: ${String(MAX_TOLD)} of the packet are told`;
      return { record, id: null, reason };
    });
    return [...this.#told, ...more];
  }
}
