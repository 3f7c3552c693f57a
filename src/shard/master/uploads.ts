/**
 * What shards upload: jobs of theirs that have news, each with all of its entries.
 *
 * A job is acknowledged when all that the master knows of it has been settled, by records of one packet: then the shard
 * need not send it again, until there are further news. What is written is committed before the reply that acknowledges it
 * is made, so a crash in between costs no more than that it comes again, which changes nothing.
 */
import type { Store } from '../../store/store.js';
import type { FarmTables, JobRow, QueueEntryRow } from '../farm-tables.js';
import type { HeartbeatPacket, Refused } from '../heartbeat.js';
import { checkUploadedEntry, checkUploadedJob, entryRecords, jobRecords, recordIdOf } from '../records.js';
import type { FarmWriter } from '../rows.js';

/** What became of them. */
export interface UploadReport {
  readonly acknowledgedJobIds: number[];
  readonly refused: Refused[];
}

/** A job of the packet, with what the packet has of its entries. */
interface Upload {
  readonly job: JobRow;
  readonly entries: QueueEntryRow[];
}

/** Uploads in one transaction: with one each, it would be the disk that a heartbeat waits for. */
const UPLOADS_AT_ONCE = 100;

/** What a shard may tell of a job, and of an entry. Which job, which shard and which label they are of is the master's. */
const JOB_FIELDS = ['name', 'owner', 'priority', 'command', 'created_on', 'parent_job_id'] as const;
const OUTCOME_FIELDS = ['status', 'host_id', 'started_on', 'finished_on', 'execution_subdir'] as const;
const ENTRY_FIELDS = [...OUTCOME_FIELDS, 'active', 'complete', 'aborted'] as const;

/** Takes over what it may; the rest costs nothing but itself. */
export async function persistUploads(
  store: Store<FarmTables>,
  shardId: number,
  packet: Pick<HeartbeatPacket, 'jobs' | 'entries'>,
): Promise<UploadReport> {
  const refused: Refused[] = [];
  const acknowledgedJobIds: number[] = [];
  const uploads = readUploads(packet, refused);
  for (let from = 0; from < uploads.length; from += UPLOADS_AT_ONCE) {
    const some = uploads.slice(from, from + UPLOADS_AT_ONCE);
    const report = await store.readWrite('take over uploads', tx => new Takeover(store, tx, shardId).takeOver(some), {
      repeatable: true,
    });
    acknowledgedJobIds.push(...report.acknowledgedJobIds);
    refused.push(...report.refused);
  }
  return { acknowledgedJobIds, refused };
}

/** Each job once. Entries of jobs that are not in the packet are nobody's news. */
function readUploads(packet: Pick<HeartbeatPacket, 'jobs' | 'entries'>, refused: Refused[]): Upload[] {
  const uploads = new Map<number, Upload>();
  for (const record of packet.jobs) {
    const job = checked('job', record, checkUploadedJob, refused);
    if (job !== undefined) uploads.set(job.id, { job, entries: [] });
  }
  for (const record of packet.entries) {
    const entry = checked('entry', record, checkUploadedEntry, refused);
    if (entry !== undefined) uploads.get(entry.job_id)?.entries.push(entry);
  }
  return [...uploads.values()];
}

function checked<Row>(
  record: Refused['record'],
  value: unknown,
  check: (value: unknown) => Row,
  refused: Refused[],
): Row | undefined {
  try {
    return check(value);
  } catch (error) {
    refused.push({ record, id: recordIdOf(value), reason: (error as Error).message });
    return undefined;
  }
}

/** Takes uploads over in one transaction, each record in a part of it that is undone alone when the database refuses it. */
class Takeover implements UploadReport {
  readonly acknowledgedJobIds: number[] = [];
  readonly refused: Refused[] = [];
  readonly #store: Store<FarmTables>;
  readonly #tx: FarmWriter;
  readonly #shardId: number;

  constructor(store: Store<FarmTables>, tx: FarmWriter, shardId: number) {
    this.#store = store;
    this.#tx = tx;
    this.#shardId = shardId;
  }

  async takeOver(uploads: readonly Upload[]): Promise<UploadReport> {
    const ids = uploads.map(({ job }) => job.id);
    const jobs = new Map((await jobRecords(this.#tx, ids)).map(job => [job.id, job]));
    const accepted = uploads.filter(({ job }) => this.#accepts(job, jobs.get(job.id)));
    const entries = new Map(accepted.map(({ job }) => [job.id, new Map<number, QueueEntryRow>()]));
    for (const entry of await entryRecords(this.#tx, [...entries.keys()])) {
      entries.get(entry.job_id)?.set(entry.id, entry);
    }
    for (const upload of accepted) {
      const { id } = upload.job;
      await this.#takeOverJob(upload, jobs.get(id), entries.get(id) ?? new Map());
    }
    return this;
  }

  /** One that is no shard's was taken back, and whoever was at it may tell. */
  #accepts(job: JobRow, known: JobRow | undefined): boolean {
    if (known === undefined) this.#refuse('job', job.id, 'the master has no such job');
    return known?.shard_id === null || known?.shard_id === this.#shardId;
  }

  async #takeOverJob(
    { job, entries }: Upload,
    known: JobRow | undefined,
    knownEntries: ReadonlyMap<number, QueueEntryRow>,
  ): Promise<void> {
    const news = changes(JOB_FIELDS, known, job);
    const isKept = await this.#write('job', job.id, news, tx =>
      tx.updateTable('farm_job').set(news).where('id', '=', job.id),
    );
    if (!isKept) return;
    const settled = new Set<number>();
    for (const entry of entries) {
      const mine = knownEntries.get(entry.id);
      if (mine === undefined) this.#refuse('entry', entry.id, `the master has no such entry of job ${String(job.id)}`);
      else if (await this.#settle(mine, entry)) settled.add(entry.id);
    }
    if (settled.size === knownEntries.size) this.acknowledgedJobIds.push(job.id);
  }

  /** Whether the master needs to hear no more of what this record tells. */
  async #settle(known: QueueEntryRow, uploaded: QueueEntryRow): Promise<boolean> {
    if (known.complete === 1) {
      // What is not complete was sent before, and has been late.
      const other = uploaded.complete === 1 ? changes(OUTCOME_FIELDS, known, uploaded) : {};
      const [field] = Object.keys(other) as (keyof QueueEntryRow)[];
      if (field !== undefined) {
        const [first, second] = [known, uploaded].map(entry => `${field} ${JSON.stringify(entry[field])}`);
        this.#refuse(
          'entry',
          known.id,
          `it has ended already with ${String(first)}, and stays so; told was ${String(second)}`,
        );
      }
      return true;
    }
    // Who tells may not know yet that it is to end.
    const aborted = known.aborted === 1 ? 1 : uploaded.aborted;
    const news = changes(ENTRY_FIELDS, known, { ...uploaded, aborted });
    const isKept = await this.#write('entry', known.id, news, tx =>
      tx.updateTable('farm_queue_entry').set(news).where('id', '=', known.id),
    );
    if (isKept) Object.assign(known, news);
    return isKept;
  }

  async #write(
    record: Refused['record'],
    id: number,
    news: object,
    update: (tx: FarmWriter) => { execute(): Promise<unknown> },
  ): Promise<boolean> {
    if (Object.keys(news).length === 0) return true;
    try {
      await this.#store.readWrite(`take over ${record}`, tx => update(tx).execute());
      return true;
    } catch (error) {
      // Where more than the record is at fault, the whole section fails at its end.
      this.#refuse(record, id, (error as Error).message);
      return false;
    }
  }

  #refuse(record: Refused['record'], id: number, reason: string): void {
    this.refused.push({ record, id, reason });
  }
}

/** The fields in which `row` differs. */
function changes<Row, Field extends keyof Row>(
  fields: readonly Field[],
  known: Row | undefined,
  row: Row,
): Partial<Pick<Row, Field>> {
  const news: Partial<Pick<Row, Field>> = {};
  for (const field of fields) if (known?.[field] !== row[field]) news[field] = row[field];
  return news;
}
