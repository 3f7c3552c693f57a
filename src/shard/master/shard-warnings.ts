/** Warnings about one shard's heartbeats. They are forgotten with the process, at no harm. */
import type { Clock } from '../../wait/clock.js';
import type { Log } from '../../report/log.js';
import type { Refused } from '../wire/heartbeat.js';
import { LastNames, firstOf } from '../wire/last-names.js';
import { RateLimit } from '../wire/rate-limit.js';

/** Records named in one log line; the reply names more. */
const MAX_LOGGED = 20;
/** Per kind of warning: each heartbeat may have other records refused. Warnings above the limit are debug lines. */
const WARNINGS_PER_MINUTE = 1;

export class ShardWarnings {
  readonly #shard: string;
  readonly #log: Log;
  readonly #limit: RateLimit;
  readonly #refused = new LastNames();
  readonly #tooLarge = new LastNames();

  constructor(shard: string, log: Log, clock: Clock) {
    this.#shard = shard;
    this.#log = log;
    this.#limit = new RateLimit(WARNINGS_PER_MINUTE, clock);
  }

  refused(refused: readonly Refused[]): void {
    if (!this.#refused.areNew(refused.map(({ record, id }) => `${record} ${String(id)}`))) return;
    const facts = { refused: refused.slice(0, MAX_LOGGED) };
    this.#warn('refused', `${String(refused.length)} of its records were refused`, facts);
  }

  tooLarge(records: readonly string[]): void {
    if (!this.#tooLarge.areNew(records)) return;
    this.#warn('too large', `larger than maxReplyBytes, and not sent: ${firstOf(records, MAX_LOGGED)}`);
  }

  #warn(kind: string, text: string, facts: Record<string, unknown> = {}): void {
    const level = this.#limit.take(kind) === 0 ? 'warn' : 'debug';
    this.#log[level](`${this.#shard}: ${text}`, { shard: this.#shard, ...facts });
  }
}
