/** Log and metrics of requests to a master. */
import type { Clock } from '../../wait/clock.js';
import { oneLine } from '../../report/untrusted-text.js';
import type { Log } from '../../report/log.js';
import { Metrics } from '../../report/metrics.js';
import type { StatsTarget } from '../../report/metrics-target.js';
import { News } from './news.js';
import type { Refusal } from './refusal.js';

export interface Requester {
  readonly address: string;
  /** The shard of the token. */
  readonly shardHostname: string | undefined;
  readonly requestId: string;
}

export interface ReportSettings {
  readonly name: string;
  readonly log: Log;
  readonly stats: StatsTarget | undefined;
  readonly clock: Clock;
}

/**
 * Metrics of a master's routes, under `drone_task_queue.<master>`:
 *
 * - `refusals.<code>` (counter): refused requests, and failures of the master (`ERR_MASTER_FAILED`).
 * - `request_size` (gauge): the last packet, bytes of JSON.
 * - `response_size` (gauge): the last reply, bytes of JSON.
 */
export class RouteReports {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #newsOfShards: News;
  /** Separate, as there may be any number of strangers. */
  readonly #newsOfStrangers: News;

  constructor({ name, log, stats, clock }: ReportSettings) {
    this.#log = log;
    this.#newsOfShards = new News(clock);
    this.#newsOfStrangers = new News(clock);
    this.#metrics = new Metrics(name, stats, log);
  }

  /** A packet's decompressed size. */
  received(packetBytes: number): void {
    this.#metrics.gauge('request_size', packetBytes);
  }

  /** A reply's size before and after compression. */
  answered({ shardHostname, requestId }: Requester, replyBytes: number, sentBytes: number): void {
    this.#metrics.gauge('response_size', replyBytes);
    const facts = { shardHostname, requestId, replyBytes, sentBytes };
    this.#log.debug(`heartbeat of ${String(shardHostname)}`, facts);
  }

  /** `error` is the refusal's cause. */
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
    // A refused requester may retry in a tight loop.
    const news = shardHostname === undefined ? this.#newsOfStrangers : this.#newsOfShards;
    const level = news.isNew(`${who} ${code}`) ? 'warn' : 'debug';
    this.#log[level](`${who} was refused: ${message} ${which}`, facts);
  }

  close(): Promise<void> {
    return this.#metrics.close();
  }
}
