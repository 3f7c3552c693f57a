/** What a master keeps in mind of its talk with each shard; lost with the process, at no harm. */
import type { Clock } from '../../wait/clock.js';
import type { Log } from '../../report/log.js';
import type { Refused } from '../wire/heartbeat.js';
import { RateLimit } from '../wire/rate-limit.js';

/** Named in one log line; of the refused the reply has more. */
const MAX_LOGGED = 20;
/** Of one shard and one sort, a minute: it may be refused something else with each heartbeat. The others are debug. */
const WARNINGS_PER_MINUTE = 1;

export class Conversation {
  readonly #shard: string;
  readonly #log: Log;
  readonly #limit: RateLimit;
  #refused = '';
  #tooLarge = '';

  constructor(shard: string, log: Log, clock: Clock) {
    this.#shard = shard;
    this.#log = log;
    this.#limit = new RateLimit(WARNINGS_PER_MINUTE, clock);
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
    this.#warn('refused', `${String(refused.length)} of its records were refused`, {
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
    this.#warn('too large', `larger than maxReplyBytes, and not sent: ${named}${more}`);
  }

  #warn(sort: string, text: string, facts: Record<string, unknown> = {}): void {
    const level = this.#limit.take(sort) === 0 ? 'warn' : 'debug';
    this.#log[level](`${this.#shard}: ${text}`, { shard: this.#shard, ...facts });
  }
}

/** By hostname, each from its shard's first heartbeat on. */
export class Conversations {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #all = new Map<string, Conversation>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  with(shard: string): Conversation {
    const known = this.#all.get(shard);
    if (known !== undefined) return known;
    const conversation = new Conversation(shard, this.#log, this.#clock);
    this.#all.set(shard, conversation);
    return conversation;
  }
}
