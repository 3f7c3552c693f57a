/** What is told of requests to a master: log and metrics. */
import type { Clock } from '../../wait/clock.js';
import { oneLine } from '../../report/untrusted-text.js';
import type { Log } from '../../report/log.js';
import { Metrics } from '../../report/metrics.js';
import type { StatsTarget } from '../../report/stats.js';
import { News } from './news.js';
import type { Refusal } from './refusal.js';

/** Who made a request, as far as is known. */
export interface Requester {
  readonly address: string;
  /** Of the shard whose token came with it. */
  readonly shardHostname: string | undefined;
  readonly requestId: string;
}

export interface ReportSettings {
  readonly name: string;
  readonly log: Log;
  readonly stats: StatsTarget | undefined;
  readonly clock: Clock;
}

export class RouteReports {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #newsOfShards: News;
  /** Of their own, as there may be any number of them. */
  readonly #newsOfStrangers: News;

  constructor({ name, log, stats, clock }: ReportSettings) {
    this.#log = log;
    this.#newsOfShards = new News(clock);
    this.#newsOfStrangers = new News(clock);
    this.#metrics = new Metrics(name, stats, log);
  }

  /** A packet of so many bytes, inflated. */
  received(packetBytes: number): void {
    this.#metrics.gauge('request_size', packetBytes);
  }

  /** A reply of so many bytes, of which so many were sent. */
  answered({ shardHostname, requestId }: Requester, replyBytes: number, sentBytes: number): void {
    this.#metrics.gauge('response_size', replyBytes);
    const facts = { shardHostname, requestId, replyBytes, sentBytes };
    this.#log.debug(`heartbeat of ${String(shardHostname)}`, facts);
  }

  /** `error` is what the refusal was made of. */
  refused({ statusCode, code, message }: Refusal, error: unknown, requester: Requester): void {
    const { address, shardHostname, requestId } = requester;
    this.#metrics.increment('refusals', code);
    const facts = { requestId, shardHostname, status: statusCode, code };
    const who = shardHostname === undefined ? `a request from ${address}` : `a heartbeat of ${shardHostname}`;
    const which = `(${code}, request ${requestId})`;
    if (statusCode >= 500) {
      const why = oneLine(error instanceof Error ? error.message : String(error));
      this.#log.error(`${who} failed: ${why} ${which}`, { ...facts, error });
      return;
    }
    // Whoever is refused may come again at once, and again.
    const news = shardHostname === undefined ? this.#newsOfStrangers : this.#newsOfShards;
    const level = news.isNew(`${who} ${code}`) ? 'warn' : 'debug';
    this.#log[level](`${who} was refused: ${message} ${which}`, facts);
  }

  close(): Promise<void> {
    return this.#metrics.close();
  }
}
