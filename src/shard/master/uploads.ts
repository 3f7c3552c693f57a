/**
 * What shards upload: jobs of theirs that have news, each with all of its entries. The news are of the entries: a job's own
 * row is the master's. Of a job that is no shard's, and not over, nobody has news: it is still to be handed out, or the
 * master's own scheduler is at it.
 *
 * A job is acknowledged when all that the master knows of it has been settled, by records of one packet: then the shard
 * need not send it again, until there are further news. What is written is committed before the reply that acknowledges it
 * is made, so a crash in between costs no more than that it comes again, which changes nothing.
 */
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Store } from '../../store/store.js';
import { chunksOf } from '../records/chunks.js';
import type { FarmTables, JobRow, QueueEntryRow } from '../records/farm-tables.js';
import type { HeartbeatPacket, Refused } from '../wire/heartbeat.js';
import { checkUploadedEntry, checkUploadedJob, entryRecords, jobRecords, recordIdOf } from '../records/records.js';
import type { FarmWriter } from '../records/rows.js';
import { Refusals } from './refusals.js';

/** A job of the packet, with what the packet has of its entries. */
interface Upload {
  readonly job: JobRow;
  /** By their ids: each has one thing to tell, or a packet could keep a transaction busy for minutes. */
  readonly entries: Map<number, QueueEntryRow>;
}

/** Uploads in one transaction: with one each, it would be the disk that a heartbeat waits for. */
const UPLOADS_AT_ONCE = 100;
/** Of a value that is complained about. */
const MAX_SHOWN_CHARS = 60;

/** What a shard may tell of an entry. Which job and which label it is of is the master's, and which host, where the job names one. */
const OUTCOME_FIELDS = ['status', 'host_id', 'started_on', 'finished_on', 'execution_subdir'] as const;
const ENTRY_FIELDS = [...OUTCOME_FIELDS, 'active', 'complete', 'aborted'] as const;

/** What became of uploads; what was refused is told elsewhere. */
interface Persisted {
  /** They are to be acknowledged. */
  readonly acknowledgedJobIds: number[];
  /** So many jobs were nobody's news. */
  readonly ignored: number;
}

/** Takes over what it may; the rest costs nothing but itself. */
export async function persistUploads(
  store: Store<FarmTables>,
  shardId: number,
  packet: Pick<HeartbeatPacket, 'jobs' | 'entries'>,
  refusals: Refusals,
): Promise<Persisted> {
  const acknowledgedJobIds: number[] = [];
  let ignored = 0;
  const uploads = await readUploads(packet, refusals);
  for (let from = 0; from < uploads.length; from += UPLOADS_AT_ONCE) {
    const some = uploads.slice(from, from + UPLOADS_AT_ONCE);
    const takeover = await store.readWrite('take over uploads', tx => new Takeover(store, tx, shardId).takeOver(some), {
      repeatable: true,
    });
    acknowledgedJobIds.push(...takeover.acknowledgedJobIds);
    ignored += takeover.ignored;
    refusals.addAll(takeover.refusals);
  }
  return { acknowledgedJobIds, ignored };
}

/** Each job once. Entries of jobs that are not in the packet are nobody's news. */
async function readUploads(packet: Pick<HeartbeatPacket, 'jobs' | 'entries'>, refusals: Refusals): Promise<Upload[]> {
  const uploads = new Map<number, Upload>();
  for (const job of checked('job', packet.jobs, checkUploadedJob, refusals)) {
    uploads.set(job.id, { job, entries: new Map() });
  }
  for (const some of chunksOf(packet.entries)) {
    for (const entry of checked('entry', some, checkUploadedEntry, refusals)) {
      uploads.get(entry.job_id)?.entries.set(entry.id, entry);
    }
    // Half a million of them take seconds: other shards have theirs in between.
    await setImmediate();
  }
  return [...uploads.values()];
}

/** Those that are what they say, up to where too much has been refused: complaints cost far more than what they are about. */
function* checked<Row>(
  record: Refused['record'],
  values: readonly unknown[],
  check: (value: unknown) => Row,
  refusals: Refusals,
): Generator<Row> {
  for (const [at, value] of values.entries()) {
    if (refusals.isFull) {
      refusals.addUnread(record, values.length - at);
      return;
    }
    let row: Row;
    try {
      row = check(value);
    } catch (error) {
      refusals.add(record, recordIdOf(value), (error as Error).message);
      continue;
    }
    yield row;
  }
}

/** Takes uploads over in one transaction, each record in a part of it that is undone alone when the database refuses it. */
class Takeover {
  readonly acknowledgedJobIds: number[] = [];
  readonly refusals = new Refusals();
  ignored = 0;
  readonly #store: Store<FarmTables>;
  readonly #tx: FarmWriter;
  readonly #shardId: number;

  constructor(store: Store<FarmTables>, tx: FarmWriter, shardId: number) {
    this.#store = store;
    this.#tx = tx;
    this.#shardId = shardId;
  }

  async takeOver(uploads: readonly Upload[]): Promise<this> {
    const ids = uploads.map(({ job }) => job.id);
    const jobs = new Map((await jobRecords(this.#tx, ids)).map(job => [job.id, job]));
    const accepted = uploads.filter(({ job }) => this.#accepts(job, jobs.get(job.id)));
    const entries = new Map(accepted.map(({ job }) => [job.id, new Map<number, QueueEntryRow>()]));
    for (const entry of await entryRecords(this.#tx, [...entries.keys()])) {
      entries.get(entry.job_id)?.set(entry.id, entry);
    }
    for (const upload of accepted) {
      const { id } = upload.job;
      const mine = entries.get(id) ?? new Map<number, QueueEntryRow>();
      const isNobodys = jobs.get(id)?.shard_id === null;
      const isOpen = [...mine.values()].some(({ complete }) => complete === 0);
      if (isNobodys && isOpen) this.ignored += 1;
      else await this.#takeOverJob(upload, mine, isNobodys);
    }
    return this;
  }

  /** One that is no shard's was taken back: whoever was at it may hear that it is over. */
  #accepts(job: JobRow, known: JobRow | undefined): boolean {
    if (known === undefined) {
      this.refusals.add('job', job.id, 'the master has no such job');
      return false;
    }
    const mayTell = known.shard_id === null || known.shard_id === this.#shardId;
    if (!mayTell) this.ignored += 1;
    return mayTell;
  }

  async #takeOverJob(
    { job, entries }: Upload,
    knownEntries: ReadonlyMap<number, QueueEntryRow>,
    isNobodys: boolean,
  ): Promise<void> {
    let settled = 0;
    for (const entry of entries.values()) {
      const mine = knownEntries.get(entry.id);
      if (mine === undefined)
        this.refusals.add('entry', entry.id, `the master has no such entry of job ${String(job.id)}`);
      else if (await this.#settle(mine, entry, isNobodys)) settled += 1;
    }
    if (settled === knownEntries.size) this.acknowledgedJobIds.push(job.id);
  }

  /** Whether the master needs to hear no more of what this record tells. */
  async #settle(known: QueueEntryRow, told: QueueEntryRow, isNobodys: boolean): Promise<boolean> {
    // A host that the job names stays that one: once the job is another shard's, it would run there on whatever was told here.
    const uploaded = known.meta_host === null ? { ...told, host_id: known.host_id } : told;
    if (known.complete === 1) {
      // What is not complete was sent before, and has been late.
      const other = uploaded.complete === 1 ? changes(OUTCOME_FIELDS, known, uploaded) : {};
      const [field] = Object.keys(other) as (keyof QueueEntryRow)[];
      if (field !== undefined) {
        const [first, second] = [known, uploaded].map(entry => `${field} ${shown(entry[field])}`);
        // How it has ended is for the eyes of whoever it was handed to.
        const how = isNobodys ? '' : ` with ${String(first)}`;
        this.refusals.add('entry', known.id, `it has ended already${how}, and stays so; told was ${String(second)}`);
      }
      return true;
    }
    // Who tells may not know yet that it is to end.
    const aborted = known.aborted === 1 ? 1 : uploaded.aborted;
    const news = changes(ENTRY_FIELDS, known, { ...uploaded, aborted });
    if (Object.keys(news).length === 0) return true;
    const { id } = known;
    try {
      await this.#store.readWrite('take over entry', tx =>
        tx.updateTable('farm_queue_entry').set(news).where('id', '=', id).execute(),
      );
    } catch (error) {
      // Where more than the record is at fault, the whole section fails at its end.
      this.refusals.add('entry', id, (error as Error).message);
      return false;
    }
    Object.assign(known, news);
    return true;
  }
}

/** The fields in which `row` differs. */
function changes<Row, Field extends keyof Row>(
  fields: readonly Field[],
  known: Row,
  row: Row,
): Partial<Pick<Row, Field>> {
  const news: Partial<Pick<Row, Field>> = {};
  for (const field of fields) if (known[field] !== row[field]) news[field] = row[field];
  return news;
}

/** Goes into logs and replies, whatever its length. */
function shown(value: unknown): string {
  return inspect(value, { maxStringLength: MAX_SHOWN_CHARS });
}
