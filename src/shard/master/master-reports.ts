/** Metrics of the heartbeats that a master answers. */
import { Metrics } from '../../report/metrics.js';
import { StoreError } from '../../store/store-error.js';
import type { HeartbeatReply } from '../wire/heartbeat.js';
import { MasterError } from '../wire/master-error.js';
import type { MasterSettings } from './master-options.js';

/** A heartbeat's reply, and counts that it does not hold. */
export interface Answered {
  readonly reply: HeartbeatReply;
  /** Uploaded jobs of another shard, or still to be assigned. */
  readonly ignoredUploads: number;
  /** Records of all kinds. */
  readonly refusedRecords: number;
}

/**
 * Metrics of a master, under `drone_task_queue.<master>`:
 *
 * - `heartbeats` (counter): heartbeats that were admitted.
 * - `heartbeat` (timing): one heartbeat, from the packet to its reply.
 * - `heartbeat_failures.<code>` (counter): failed heartbeats, by code of MasterError or StoreError, otherwise `other`.
 * - `uploads_acknowledged` (counter): uploaded jobs that the master acknowledged.
 * - `uploads_ignored` (counter): uploaded jobs that belong to another shard or are not assigned yet.
 * - `records_refused` (counter): refused records of all kinds.
 * - `hosts_sent` (counter): hosts in replies.
 * - `jobs_sent` (counter): jobs in replies.
 * - `job_keyvals_sent` (counter): job keyvals in replies.
 */
export class MasterReports {
  readonly #settings: MasterSettings;
  readonly #metrics: Metrics;

  constructor(settings: MasterSettings) {
    const { name, log, stats } = settings;
    this.#settings = settings;
    this.#metrics = new Metrics(name, stats, log);
  }

  async heartbeat(work: () => Promise<Answered>): Promise<HeartbeatReply> {
    const { clock } = this.#settings;
    const startMs = clock.nowMs();
    this.#metrics.increment('heartbeats');
    try {
      const answered = await work();
      this.#count(answered);
      return answered.reply;
    } catch (error) {
      this.#metrics.increment('heartbeat_failures', codeOf(error));
      throw error;
    } finally {
      this.#metrics.timing('heartbeat', clock.nowMs() - startMs);
    }
  }

  close(): Promise<void> {
    return this.#metrics.close();
  }

  #count({ reply, ignoredUploads, refusedRecords }: Answered): void {
    this.#metrics.add('uploads_acknowledged', reply.acknowledgedJobIds.length);
    this.#metrics.add('uploads_ignored', ignoredUploads);
    this.#metrics.add('records_refused', refusedRecords);
    this.#metrics.add('hosts_sent', reply.hosts.length);
    this.#metrics.add('jobs_sent', reply.jobs.length);
    this.#metrics.add('job_keyvals_sent', reply.jobKeyvals.length);
  }
}

/** `other` for a defect and for an error of the database. */
function codeOf(error: unknown): string {
  return error instanceof MasterError || error instanceof StoreError ? error.code : 'other';
}
