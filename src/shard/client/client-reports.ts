/** Log, events and metrics of a shard client's heartbeats. */
import { events, type HeartbeatEnd, publish } from '../events.js';
import type { Log } from '../../report/log.js';
import { Metrics } from '../../report/metrics.js';
import type { StoreErrorCode } from '../../store/store-error.js';
import type { ClientSettings } from './client-options.js';
import { HeartbeatError, type HeartbeatErrorCode } from '../wire/heartbeat-error.js';
import type { Refused } from '../wire/heartbeat.js';
import { LastNames, firstOf } from '../wire/last-names.js';
import type { HeartbeatExchange } from '../wire/master-link.js';
import type { TakenOver } from './take-over.js';

/**
 * Failures from which the next heartbeat may recover.
 *
 * - `ERR_STORE`: the shard's database failed. This code appears only in the metric `heartbeat_failures` and in log
 *   lines, whose field `error` holds the database's error.
 */
export type HeartbeatFailureCode = HeartbeatErrorCode | StoreErrorCode | 'ERR_STORE';

/** How many records one line names, or how many get a line each. */
const MAX_NAMED = 10;

/** What was logged last. It outlives the metrics client, which is open during a loop or a single heartbeat. */
export class ReportState {
  failing: string | undefined;
  readonly refused = new LastNames();
  readonly tooLarge = new LastNames();
  readonly tooLargeThere = new LastNames();
  hasShrunk = false;
}

/**
 * Metrics of a shard client, under `drone_task_queue.<client>`:
 *
 * - `heartbeat` (timing): one heartbeat, from creating the packet until the reply is imported.
 * - `process` (timing): the part of a heartbeat that imports the reply.
 * - `heartbeat_failures.<code>` (counter): failed heartbeats, by error code.
 * - `request_size` (gauge): the last packet, bytes of JSON.
 * - `response_size` (gauge): the last reply, bytes of JSON.
 * - `hosts_received` (gauge): hosts in the last reply.
 * - `jobs_received` (gauge): jobs in the last reply.
 * - `job_keyvals_received` (gauge): job keyvals in the last reply.
 * - `deserialization_failures` (counter): records in replies that could not be imported.
 * - `starts` (counter): starts of the loop.
 * - `uncaught_exceptions` (counter): errors that ended the loop.
 */
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
    this.#refused(reply.refused);
  }

  processed(taken: TakenOver, tookMs: number): void {
    this.#metrics.timing('process', tookMs);
    this.#metrics.add('deserialization_failures', taken.badRecords);
    const ids = taken.uploadAgainJobIds;
    if (ids.length > 0) {
      const text = `the master has sent jobs that are finished here, which are uploaded again: ${firstOf(ids, MAX_NAMED)}`;
      this.#log.warn(text, { jobs: ids.length });
    }
  }

  /** Jobs larger than `maxUploadBytes`, and those that were refused alone. */
  leftOut(tooLargeJobIds: readonly number[], refusedJobIds: readonly number[]): void {
    if (this.#state.tooLarge.areNew(tooLargeJobIds.map(String))) {
      const named = firstOf(tooLargeJobIds, MAX_NAMED);
      const text = `finished jobs that are larger than maxUploadBytes are not uploaded: ${named}`;
      this.#log.warn(text, { jobs: tooLargeJobIds.length });
    }
    if (!this.#state.tooLargeThere.areNew(refusedJobIds.map(String))) return;
    const named = firstOf(refusedJobIds, MAX_NAMED);
    const text = `finished jobs that are too large for the master, or for a proxy in front of it, are not uploaded: ${named}`;
    this.#log.warn(text, { jobs: refusedJobIds.length });
  }

  /** Logs the first time only: each shard behind a proxy with a limit finds it again and again. */
  shrunk(bytes: number, error: HeartbeatError): void {
    const text = `an upload of ${String(bytes)} bytes is too large, and the next one is smaller: ${error.message}`;
    if (this.#state.hasShrunk) this.#log.debug(text, { bytes, error });
    else this.#log.warn(text, { bytes, error });
    this.#state.hasShrunk = true;
  }

  /** Logs changes of state only: a master that is down for a night must not fill the disk. */
  failed(code: HeartbeatFailureCode, error: Error): void {
    this.#metrics.increment('heartbeat_failures', code);
    const fields = { code, error };
    const line = `the heartbeat failed: ${error.message}`;
    // With the status: ERR_MASTER_HTTP covers a failing master as well as a refused token.
    const state = error instanceof HeartbeatError ? `${code} ${String(error.status)}` : code;
    if (state === this.#state.failing) this.#log.debug(line, fields);
    else this.#log.error(line, fields);
    this.#state.failing = state;
  }

  succeeded(failures: number): void {
    if (this.#state.failing === undefined) return;
    this.#state.failing = undefined;
    this.#log.info(`heartbeats succeed again, after ${String(failures)} failures`, { failures });
  }

  ended(end: HeartbeatEnd): void {
    this.#metrics.timing('heartbeat', end.tookMs);
    publish(events.heartbeatEnd, () => end);
    if (end.failed) return;
    const what = `${String(end.settledJobs)} of ${String(end.uploadedJobs)} jobs uploaded`;
    this.#log.debug(`heartbeat: ${what}, ${String(end.takenRecords)} records imported`, { ...end });
  }

  fatal(error: unknown): void {
    this.#metrics.increment('uncaught_exceptions');
    this.#log.error(`the loop ends: ${String(error)}`, { error });
  }

  close(): Promise<void> {
    return this.#metrics.close();
  }

  #refused(refused: readonly Refused[]): void {
    if (!this.#state.refused.areNew(refused.map(({ record, id }) => `${record} ${String(id)}`))) return;
    for (const { record, id, reason } of refused.slice(0, MAX_NAMED)) {
      this.#log.warn(`the master has refused ${record} ${String(id)}: ${reason}`, { record, id });
    }
    const more = refused.length - MAX_NAMED;
    if (more > 0) this.#log.warn(`the master has refused ${String(more)} more`);
  }
}
