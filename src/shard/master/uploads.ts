/**
 * Saves uploads: jobs of a shard with all of their entries. Only entries change; a job's own row is the master's. An open
 * job without a shard is ignored: it is still to be assigned, or the master's own scheduler runs it.
 *
 * A job is acknowledged when one packet settles all of its entries that the master has. Everything is committed before the
 * acknowledging reply is made: after a crash in between the shard uploads the job again, which changes nothing.
 */
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Store } from '../../store/store.js';
import { chunksOf, piecesOf } from '../records/chunks.js';
import { type FarmWriter, write } from '../records/farm-store.js';
import type { FarmTables, JobRow, QueueEntryRow } from '../records/farm-tables.js';
import type { HeartbeatPacket } from '../wire/heartbeat.js';
import { mapById } from '../records/grouped.js';
import { readUploadedRow, recordIdOf, type RecordRows } from '../records/record-fields.js';
import { entryRecords, jobRecords } from '../records/serialize.js';
import { Refusals } from './refusals.js';

/** A job of the packet with its entries there. */
interface Upload {
  readonly job: JobRow;
  /** By id: an entry counts once, or a packet could keep a transaction busy for minutes. */
  readonly entries: Map<number, QueueEntryRow>;
}

/** Uploads per transaction: with one each, a heartbeat would wait for the disk. */
const UPLOADS_AT_ONCE = 100;
/** Longest part of a value that a refusal shows. */
const MAX_SHOWN_CHARS = 60;

/** What a shard may change in an entry. Job and label are the master's, and so is the host where the job names one. */
const OUTCOME_FIELDS = ['status', 'host_id', 'started_on', 'finished_on', 'execution_subdir'] as const;
const ENTRY_FIELDS = [...OUTCOME_FIELDS, 'active', 'complete', 'aborted'] as const;

interface Persisted {
  readonly acknowledgedJobIds: number[];
  /** Uploaded jobs of another shard, or still to be assigned. */
  readonly ignored: number;
}

export async function persistUploads(
  store: Store<FarmTables>,
  shardId: number,
  packet: Pick<HeartbeatPacket, 'jobs' | 'entries'>,
  refusals: Refusals,
): Promise<Persisted> {
  const acknowledgedJobIds: number[] = [];
  let ignored = 0;
  const uploads = await readUploads(packet, refusals);
  for (const some of piecesOf(uploads, UPLOADS_AT_ONCE)) {
    const takeover = await write(store, 'take over uploads', tx => new Takeover(store, tx, shardId).takeOver(some));
    acknowledgedJobIds.push(...takeover.acknowledgedJobIds);
    ignored += takeover.ignored;
    refusals.addAll(takeover.refusals);
  }
  return { acknowledgedJobIds, ignored };
}

/** Each job once. Ignores entries of jobs that are not in the packet. */
async function readUploads(packet: Pick<HeartbeatPacket, 'jobs' | 'entries'>, refusals: Refusals): Promise<Upload[]> {
  const uploads = new Map<number, Upload>();
  for (const job of checked('job', packet.jobs, refusals)) {
    uploads.set(job.id, { job, entries: new Map() });
  }
  for (const some of chunksOf(packet.entries)) {
    for (const entry of checked('entry', some, refusals)) {
      uploads.get(entry.job_id)?.entries.set(entry.id, entry);
    }
    // Half a million entries take seconds; other shards get their turn in between.
    await setImmediate();
  }
  return [...uploads.values()];
}

const KINDS = { job: 'job', entry: 'queue entry' } as const;

/** Valid rows, until the list of refusals is full: a refusal costs far more than a good record. */
function* checked<Record extends keyof typeof KINDS>(
  record: Record,
  values: readonly unknown[],
  refusals: Refusals,
): Generator<RecordRows[(typeof KINDS)[Record]]> {
  for (const [at, value] of values.entries()) {
    if (refusals.isFull) {
      refusals.addUnread(record, values.length - at);
      return;
    }
    try {
      yield readUploadedRow(KINDS[record], value);
    } catch (error) {
      refusals.add(record, recordIdOf(value), (error as Error).message);
    }
  }
}

/** Saves uploads in one transaction, with a savepoint for each record that the database may refuse. */
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
    const jobs = mapById(await jobRecords(this.#tx, ids));
    const accepted = uploads.filter(({ job }) => this.#accepts(job, jobs.get(job.id)));
    const entries = new Map(accepted.map(({ job }) => [job.id, new Map<number, QueueEntryRow>()]));
    for (const entry of await entryRecords(this.#tx, [...entries.keys()])) {
      entries.get(entry.job_id)?.set(entry.id, entry);
    }
    for (const upload of accepted) {
      const { id } = upload.job;
      const mine = entries.get(id) ?? new Map<number, QueueEntryRow>();
      const isUnassigned = jobs.get(id)?.shard_id === null;
      const isOpen = [...mine.values()].some(({ complete }) => complete === 0);
      if (isUnassigned && isOpen) this.ignored += 1;
      else await this.#takeOverJob(upload, mine, isUnassigned);
    }
    return this;
  }

  /** A job without a shard was taken from its shard, which may learn that it is over. */
  #accepts(job: JobRow, known: JobRow | undefined): boolean {
    if (known === undefined) {
      this.refusals.add('job', job.id, 'the master has no such job');
      return false;
    }
    const isAllowed = known.shard_id === null || known.shard_id === this.#shardId;
    if (!isAllowed) this.ignored += 1;
    return isAllowed;
  }

  async #takeOverJob(
    { job, entries }: Upload,
    knownEntries: ReadonlyMap<number, QueueEntryRow>,
    isUnassigned: boolean,
  ): Promise<void> {
    let settled = 0;
    for (const entry of entries.values()) {
      const mine = knownEntries.get(entry.id);
      if (mine === undefined)
        this.refusals.add('entry', entry.id, `the master has no such entry of job ${String(job.id)}`);
      else if (await this.#settle(mine, entry, isUnassigned)) settled += 1;
    }
    if (settled === knownEntries.size) this.acknowledgedJobIds.push(job.id);
  }

  /** Whether the shard need not send this entry again. */
  async #settle(known: QueueEntryRow, sent: QueueEntryRow, isUnassigned: boolean): Promise<boolean> {
    // A host that the job names stays: otherwise the job could run on a host of the shard's choice after it changes shards.
    const uploaded = known.meta_host === null ? { ...sent, host_id: known.host_id } : sent;
    if (known.complete === 1) {
      // An entry that is not complete comes from a late packet.
      const other = uploaded.complete === 1 ? changes(OUTCOME_FIELDS, known, uploaded) : {};
      const [field] = Object.keys(other) as (keyof QueueEntryRow)[];
      if (field !== undefined) {
        const [first, second] = [known, uploaded].map(entry => `${field} ${shown(entry[field])}`);
        // Only the shard that has the job may see how the entry ended.
        const how = isUnassigned ? '' : ` with ${String(first)}`;
        this.refusals.add(
          'entry',
          known.id,
          `it has already ended${how}, and stays so; the upload reported ${String(second)}`,
        );
      }
      return true;
    }
    // The shard may not know of the abort yet.
    const aborted = known.aborted === 1 ? 1 : uploaded.aborted;
    const news = changes(ENTRY_FIELDS, known, { ...uploaded, aborted });
    if (Object.keys(news).length === 0) return true;
    const { id } = known;
    try {
      await this.#store.readWrite('take over entry', tx =>
        tx.updateTable('farm_queue_entry').set(news).where('id', '=', id).execute(),
      );
    } catch (error) {
      // If more than the record is at fault, the whole section fails at its end.
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

/** Bounded, as it goes into logs and replies. */
function shown(value: unknown): string {
  return inspect(value, { maxStringLength: MAX_SHOWN_CHARS });
}
