/** Takes a reply over, record by record: a bad record is undone and logged, and does not affect the others. */
import type { Log } from '../../report/log.js';
import type { Store } from '../../store/store.js';
import { isOfTables } from '../records/blame.js';
import { chunksOf } from '../records/chunks.js';
import { deserializeHost, deserializeJob, deserializeJobKeyval } from '../records/deserialize.js';
import { type FarmWriter, write } from '../records/farm-store.js';
import type { FarmTables } from '../records/farm-tables.js';
import { nameOfRecord, type RecordKind } from '../records/record-error.js';
import { recordIdOf } from '../records/record-fields.js';
import type { HeartbeatReply } from '../wire/heartbeat.js';
import { LastNames } from '../wire/last-names.js';
import { isOfOneSection, isOfRecord, isPassing } from './store-trouble.js';
import { uploadAgain } from './chosen-uploads.js';

/** The result of importing a reply. */
export interface TakenOver {
  readonly hosts: number;
  readonly jobs: number;
  readonly jobKeyvals: number;
  /** Records of all kinds that could not be imported. */
  readonly badRecords: number;
  /** Jobs that the master sent although they are finished here; the client uploads them again. */
  readonly uploadAgainJobIds: readonly number[];
}

type TakeRecord = (tx: FarmWriter, record: unknown) => Promise<unknown>;

interface BadRecord {
  readonly kind: RecordKind;
  readonly record: unknown;
  readonly error: Error;
}

/** Bad records with a log line each. */
const MAX_NAMED = 10;
/** Failures in a row that no record explains: the database is in trouble. */
const MAX_TROUBLES = 10;

export class ReplyTaker {
  readonly #farm: Store<FarmTables>;
  readonly #log: Log;
  readonly #lastBad = new LastNames();

  constructor(farm: Store<FarmTables>, log: Log) {
    this.#farm = farm;
    this.#log = log;
  }

  /** Rejects with errors of the database that no record explains, such as a missing table or column, the signal's reason, and defects. */
  async take(reply: HeartbeatReply, signal?: AbortSignal): Promise<TakenOver> {
    const bad: BadRecord[] = [];
    const hosts = await this.#takeAll('host', reply.hosts, deserializeHost, bad, signal);
    // Before the jobs: once a job is known here, the master does not send its parent's keyvals again.
    const jobKeyvals = await this.#takeAll('job keyval', reply.jobKeyvals, deserializeJobKeyval, bad, signal);
    const jobs = await this.#takeAll('job', reply.jobs, deserializeJob, bad, signal);
    this.#logBad(bad);
    await removeIncorrectHosts(this.#farm, reply.incorrectHostIds);
    const received = reply.jobs.map(recordIdOf).filter(id => id !== null);
    return {
      hosts,
      jobs,
      jobKeyvals,
      badRecords: bad.length,
      uploadAgainJobIds: await uploadAgain(this.#farm, received),
    };
  }

  /** Resolves with the number of records that were taken over. */
  async #takeAll(
    kind: RecordKind,
    records: readonly unknown[],
    take: TakeRecord,
    bad: BadRecord[],
    signal: AbortSignal | undefined,
  ): Promise<number> {
    let taken = 0;
    let troubles = 0;
    for (const record of records) {
      signal?.throwIfAborted();
      try {
        await write(this.#farm, `take over ${kind}`, tx => take(tx, record));
        taken += 1;
        troubles = 0;
      } catch (error) {
        if (!isPassing(error) || !isOfOneSection(error) || isOfTables(error)) throw error;
        if (!isOfRecord(error)) troubles += 1;
        // If its job followed, the keyval would never be sent again.
        if (troubles >= (kind === 'job keyval' ? 1 : MAX_TROUBLES)) throw error;
        bad.push({ kind, record, error });
      }
    }
    return taken;
  }

  #logBad(bad: readonly BadRecord[]): void {
    const names = bad.map(({ kind, record }) => nameOfRecord(kind, recordIdOf(record)));
    if (!this.#lastBad.areNew(names)) return;
    for (const [at, { kind, record, error }] of bad.slice(0, MAX_NAMED).entries()) {
      const text = `${String(names[at])} was not imported: ${error.message}`;
      this.#log.error(text, { kind, id: recordIdOf(record), error });
    }
    const more = bad.length - MAX_NAMED;
    if (more > 0) this.#log.error(`${String(more)} more records were not imported`, { bad: bad.length });
  }
}

/** Marks hosts that are no longer this shard's as invalid and removes their links. Jobs still refer to them. */
async function removeIncorrectHosts(farm: Store<FarmTables>, hostIds: readonly number[]): Promise<void> {
  if (hostIds.length === 0) return;
  await write(farm, 'remove incorrect hosts', async tx => {
    for (const ids of chunksOf(hostIds)) {
      await tx.updateTable('farm_host').set({ invalid: 1, shard_id: null }).where('id', 'in', ids).execute();
      await tx.deleteFrom('farm_host_label').where('host_id', 'in', ids).execute();
      await tx.deleteFrom('farm_acl_group_host').where('host_id', 'in', ids).execute();
    }
  });
}
