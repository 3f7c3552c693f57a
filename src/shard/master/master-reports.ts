/** What is told of the heartbeats that a master answers: metrics. */
import { Metrics } from '../../report/metrics.js';
import { StoreError } from '../../store/store-error.js';
import type { HeartbeatReply } from '../wire/heartbeat.js';
import { MasterError } from '../wire/master-error.js';
import type { MasterSettings } from './master-options.js';

/** A heartbeat's reply, and what it does not tell. */
export interface Answered {
  readonly reply: HeartbeatReply;
  /** Uploaded jobs that are nobody's news: of another shard, or still to be handed out. */
  readonly ignoredUploads: number;
  /** Records of all kinds. */
  readonly refusedRecords: number;
}

export class MasterReports {
  readonly #settings: MasterSettings;
  readonly #metrics: Metrics;

  constructor(settings: MasterSettings) {
    const { name, log, stats } = settings;
    this.#settings = settings;
    this.#metrics = new Metrics(name, stats, log);
  }

  /** Answers a heartbeat. */
  async heartbeat(work: () => Promise<Answered>): Promise<HeartbeatReply> {
    const { clock } = this.#settings;
    const startMs = clock.nowMs();
    this.#metrics.increment('heartbeats');
    try {
      const answered = await work();
      this.#tell(answered);
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

  #tell({ reply, ignoredUploads, refusedRecords }: Answered): void {
    const counts = {
      uploads_acknowledged: reply.acknowledgedJobIds.length,
      uploads_ignored: ignoredUploads,
      records_refused: refusedRecords,
      hosts_sent: reply.hosts.length,
      jobs_sent: reply.jobs.length,
      job_keyvals_sent: reply.jobKeyvals.length,
    };
    for (const [what, count] of Object.entries(counts)) {
      if (count > 0) this.#metrics.add(what, count);
    }
  }
}

/** `other` for a defect, and for what the database itself has said. */
function codeOf(error: unknown): string {
  return error instanceof MasterError || error instanceof StoreError ? error.code : 'other';
}
