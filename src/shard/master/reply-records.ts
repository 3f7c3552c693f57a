/**
 * The records of a reply, as many as fit: a reply too large for its shard would be as large the next time. The other records
 * stay assigned to the shard, and since it does not know them they come with later replies.
 */
import type { JobKeyvalRow } from '../records/farm-tables.js';
import { piecesOf } from '../records/chunks.js';
import type { FarmReader } from '../records/farm-store.js';
import { groupedBy, inOrderOf } from '../records/grouped.js';
import {
  type HostRecord,
  type JobRecord,
  serializeHosts,
  serializeJobKeyvals,
  serializeJobs,
} from '../records/serialize.js';

/** Records read at once: of thousands only few may fit. */
const AT_ONCE = 100;

export class ReplyRecords {
  readonly hosts: HostRecord[] = [];
  readonly jobs: JobRecord[] = [];
  /** Keyvals of the jobs' parents. */
  readonly jobKeyvals: JobKeyvalRow[] = [];
  /** Records that exceed the limit alone. */
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

  /** Adds in this order, up to the first that does not fit. */
  async addHosts(ids: readonly number[]): Promise<void> {
    for (const some of piecesOf(ids, AT_ONCE)) {
      for (const host of inOrderOf(some, await serializeHosts(this.#db, some))) {
        const fits = this.#fits(`host ${String(host.id)}`, host);
        if (fits === 'not now') return;
        if (fits === 'yes') this.hosts.push(host);
      }
    }
  }

  /** As `addHosts`, with the keyvals of the jobs' parents. */
  async addJobs(ids: readonly number[]): Promise<void> {
    for (const some of piecesOf(ids, AT_ONCE)) {
      const jobs = inOrderOf(some, await serializeJobs(this.#db, some));
      const parents = jobs.map(job => job.parent_job_id).filter(parent => parent !== null);
      const keyvals = groupedBy(await serializeJobKeyvals(this.#db, parents), 'job_id');
      for (const job of jobs) {
        const parent = job.parent_job_id;
        const ofParent = parent === null || this.#parents.has(parent) ? [] : (keyvals.get(parent) ?? []);
        const fits = this.#fits(`job ${String(job.id)}`, [job, ofParent]);
        if (fits === 'not now') return;
        if (fits === 'never') continue;
        this.jobs.push(job);
        this.jobKeyvals.push(...ofParent);
        if (parent !== null) this.#parents.add(parent);
      }
    }
  }

  /** Takes the record's room if there is enough. */
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
