/** What is told of a shard client's heartbeats: log, events and metrics. */
import { events, type HeartbeatEnd, publish } from '../events.js';
import type { Log } from '../../report/log.js';
import { Metrics } from '../../report/metrics.js';
import type { StoreErrorCode } from '../../store/store-error.js';
import type { ClientSettings } from './client-options.js';
import { HeartbeatError, type HeartbeatErrorCode } from '../wire/heartbeat-error.js';
import type { Refused } from '../wire/heartbeat.js';
import type { HeartbeatExchange } from '../wire/master-link.js';
import type { TakenOver } from './take-over.js';

/** Why a heartbeat failed that the next one may do better than. */
export type HeartbeatFailureCode = HeartbeatErrorCode | StoreErrorCode | 'ERR_STORE';

/** Named in a line that tells of many. */
const TOLD_IDS = 10;

export class ClientReports {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #state: ReportState;

  constructor(settings: ClientSettings, state: ReportState) {
    const { name, log, stats } = settings;
    this.#log = log;
    this.#state = state;
    this.#metrics = new Metrics(name, stats, log);
  }

  started(): void {
    this.#metrics.increment('starts');
  }

  answered({ reply, requestBytes, responseBytes }: HeartbeatExchange): void {
    this.#metrics.gauge('request_size', requestBytes);
    this.#metrics.gauge('response_size', responseBytes);
    this.#metrics.gauge('hosts_received', reply.hosts.length);
    this.#metrics.gauge('jobs_received', reply.jobs.length);
    this.#metrics.gauge('job_keyvals_received', reply.jobKeyvals.length);
    this.#tellRefused(reply.refused);
  }

  processed(taken: TakenOver, tookMs: number): void {
    this.#metrics.timing('process', tookMs);
    if (taken.badRecords > 0) this.#metrics.add('deserialization_failures', taken.badRecords);
    const ids = taken.uploadAgainJobIds;
    if (ids.length > 0) {
      const text = `the master has sent jobs that are finished here, which are uploaded again: ${few(ids)}`;
      this.#log.warn(text, { jobs: ids.length });
    }
  }

  /** As the refused: they stay so until somebody does something. */
  tooLarge(jobIds: readonly number[]): void {
    const which = sortedText(jobIds.map(String));
    if (which === this.#state.tooLarge) return;
    this.#state.tooLarge = which;
    if (jobIds.length === 0) return;
    const text = `finished jobs that are larger than maxUploadBytes are not uploaded: ${few(jobIds)}`;
    this.#log.warn(text, { jobs: jobIds.length });
  }

  /** One line for each change of state: a master that is down for a night would fill the disk otherwise. */
  failed(code: HeartbeatFailureCode, error: Error): void {
    this.#metrics.increment('heartbeat_failures', code);
    const fields = { code, error };
    const line = `the heartbeat failed: ${error.message}`;
    // A master that was down, and now refuses the token, has the same code.
    const state = error instanceof HeartbeatError ? `${code} ${String(error.status)}` : code;
    if (state === this.#state.failing) this.#log.debug(line, fields);
    else this.#log.error(line, fields);
    this.#state.failing = state;
  }

  succeeded(failures: number): void {
    if (this.#state.failing === undefined) return;
    this.#state.failing = undefined;
    this.#log.info(`heartbeats go well again, after ${String(failures)} that failed`, {
      failures,
    });
  }

  ended(end: HeartbeatEnd): void {
    this.#metrics.timing('heartbeat', end.tookMs);
    publish(events.heartbeatEnd, () => end);
    if (end.failed) return;
    const what = `${String(end.settledJobs)} of ${String(end.uploadedJobs)} jobs uploaded`;
    this.#log.debug(`heartbeat: ${what}, ${String(end.takenRecords)} records taken over`, { ...end });
  }

  fatal(error: unknown): void {
    this.#metrics.increment('uncaught_exceptions');
    this.#log.error(`the loop ends: ${String(error)}`, { error });
  }

  close(): Promise<void> {
    return this.#metrics.close();
  }

  /** Told again only when it is about others: they come with each heartbeat until somebody does something. */
  #tellRefused(refused: readonly Refused[]): void {
    const which = sortedText(refused.map(({ record, id }) => `${record} ${String(id)}`));
    if (which === this.#state.refused) return;
    this.#state.refused = which;
    for (const { record, id, reason } of refused.slice(0, TOLD_IDS)) {
      const text = `the master has refused ${record} ${String(id)}: ${reason}`;
      this.#log.warn(text, { record, id });
    }
    if (refused.length > TOLD_IDS) {
      const more = refused.length - TOLD_IDS;
      this.#log.warn(`the master has refused ${String(more)} more`);
    }
  }
}

/** What was told last; outlives the metrics' sink, which is there while a loop or a single heartbeat goes on. */
export interface ReportState {
  failing: string | undefined;
  refused: string;
  tooLarge: string;
}

/** The same for the same things, in whatever order they come. */
function sortedText(names: readonly string[]): string {
  return [...names].sort().join();
}

function few(ids: readonly number[]): string {
  const shown = ids.slice(0, TOLD_IDS).join(', ');
  return ids.length > TOLD_IDS ? `${shown} and ${String(ids.length - TOLD_IDS)} more` : shown;
}
