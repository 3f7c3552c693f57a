/** What of one packet the master has refused: a reply tells so much of it, and how much more there is. */
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

  add(record: Refused['record'], id: number | null, reason: string): void {
    if (this.isFull) this.addUnread(record, 1);
    else this.#told.push({ record, id, reason });
  }

  /** Records that count only. */
  addUnread(record: Refused['record'], count: number): void {
    this.#more.set(record, (this.#more.get(record) ?? 0) + count);
  }

  list(): Refused[] {
    const more = [...this.#more].map(([record, count]) => {
      const reason = `and ${String(count)} more, refused or not looked at: ${String(MAX_TOLD)} of the packet are told`;
      return { record, id: null, reason };
    });
    return [...this.#told, ...more];
  }
}
