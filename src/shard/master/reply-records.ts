/**
 * The records of a reply, as many as fit into its bytes: a reply that is larger than its shard takes would be as large the
 * next time, and nothing of it would ever get there. What does not fit is the shard's all the same: it does not know of it,
 * and so it comes with a later reply.
 */
import type { JobKeyvalRow } from '../records/farm-tables.js';
import { grouped } from '../records/grouped.js';
import {
  type FarmReader,
  type HostRecord,
  type JobRecord,
  serializeHosts,
  serializeJobKeyvals,
  serializeJobs,
} from '../records/serialize.js';

/** Records that are read at once: there may be thousands of them, and few that fit. */
const AT_ONCE = 100;

export class ReplyRecords {
  readonly hosts: HostRecord[] = [];
  readonly jobs: JobRecord[] = [];
  /** Of the jobs' parents. */
  readonly jobKeyvals: JobKeyvalRow[] = [];
  /** Left out: each alone is larger than all may be. */
  readonly tooLarge: string[] = [];
  readonly #db: FarmReader;
  readonly #maxBytes: number;
  readonly #parents = new Set<number>();
  #roomBytes: number;

  constructor(db: FarmReader, maxBytes: number) {
    this.#db = db;
    this.#maxBytes = maxBytes;
    this.#roomBytes = maxBytes;
  }

  /** In this order, up to the first that does not fit. */
  async addHosts(ids: readonly number[]): Promise<void> {
    for (const some of pieces(ids)) {
      const hosts = new Map((await serializeHosts(this.#db, some)).map(host => [host.id, host]));
      for (const id of some) {
        const host = hosts.get(id);
        if (host === undefined) continue;
        const fits = this.#fits(`host ${String(id)}`, host);
        if (fits === 'not now') return;
        if (fits === 'yes') this.hosts.push(host);
      }
    }
  }

  /** As `addHosts`, with the keyvals of their parents. */
  async addJobs(ids: readonly number[]): Promise<void> {
    for (const some of pieces(ids)) {
      const jobs = new Map((await serializeJobs(this.#db, some)).map(job => [job.id, job]));
      const parents = [...jobs.values()].map(job => job.parent_job_id).filter(parent => parent !== null);
      const keyvals = grouped((await serializeJobKeyvals(this.#db, parents)).map(keyval => [keyval.job_id, keyval]));
      for (const id of some) {
        const job = jobs.get(id);
        if (job === undefined) continue;
        const parent = job.parent_job_id;
        const ofParent = parent === null || this.#parents.has(parent) ? [] : (keyvals.get(parent) ?? []);
        const fits = this.#fits(`job ${String(id)}`, [job, ofParent]);
        if (fits === 'not now') return;
        if (fits === 'never') continue;
        this.jobs.push(job);
        this.jobKeyvals.push(...ofParent);
        if (parent !== null) this.#parents.add(parent);
      }
    }
  }

  /** Takes its room, where there is some. */
  #fits(which: string, record: object): 'yes' | 'not now' | 'never' {
    const bytes = Buffer.byteLength(JSON.stringify(record));
    if (bytes > this.#maxBytes) {
      this.tooLarge.push(which);
      return 'never';
    }
    if (bytes > this.#roomBytes) return 'not now';
    this.#roomBytes -= bytes;
    return 'yes';
  }
}

function* pieces(ids: readonly number[]): Generator<readonly number[]> {
  for (let start = 0; start < ids.length; start += AT_ONCE) yield ids.slice(start, start + AT_ONCE);
}
