/** What a master keeps in mind of its talk with each shard; lost with the process, at no harm. */
import type { Log } from '../../log.js';
import type { Refused } from '../wire/heartbeat.js';

/** Named in one log line; of the refused the reply has more. */
const MAX_LOGGED = 20;

export class Conversation {
  readonly #shard: string;
  readonly #log: Log;
  #refused = '';
  #tooLarge = '';

  constructor(shard: string, log: Log) {
    this.#shard = shard;
    this.#log = log;
  }

  /** Told again only when it is about others: they come with each heartbeat until somebody does something. */
  tellRefused(refused: readonly Refused[]): void {
    const which = refused
      .map(({ record, id }) => `${record} ${String(id)}`)
      .sort()
      .join();
    if (which === this.#refused) return;
    this.#refused = which;
    if (refused.length === 0) return;
    this.#log.warn(`${this.#shard}: ${String(refused.length)} of its records were refused`, {
      shard: this.#shard,
      refused: refused.slice(0, MAX_LOGGED),
    });
  }

  /** As `tellRefused`. */
  tellTooLarge(records: readonly string[]): void {
    const which = [...records].sort().join();
    if (which === this.#tooLarge) return;
    this.#tooLarge = which;
    if (records.length === 0) return;
    const named = records.slice(0, MAX_LOGGED).join(', ');
    const more = records.length > MAX_LOGGED ? ` and ${String(records.length - MAX_LOGGED)} more` : '';
    this.#log.warn(`${this.#shard}: larger than maxReplyBytes, and not sent: ${named}${more}`, { shard: this.#shard });
  }
}

/** By hostname, each from its shard's first heartbeat on. */
export class Conversations {
  readonly #log: Log;
  readonly #all = new Map<string, Conversation>();

  constructor(log: Log) {
    this.#log = log;
  }

  with(shard: string): Conversation {
    const known = this.#all.get(shard);
    if (known !== undefined) return known;
    const conversation = new Conversation(shard, this.#log);
    this.#all.set(shard, conversation);
    return conversation;
  }
}
