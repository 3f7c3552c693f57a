/** What a reply brings, taken over record by record: one that is wrong is undone whole, told, and costs no other. */
import type { Log } from '../log.js';
import { ContextSwitchError } from '../section-guard.js';
import { StoreError } from '../store/store-error.js';
import type { Store } from '../store/store.js';
import type { FarmTables } from './farm-tables.js';
import type { HeartbeatReply } from './heartbeat.js';
import { removeIncorrectHosts } from './incorrect-hosts.js';
import { deserializeHost, deserializeJob, deserializeJobKeyval, type RecordKind, recordIdOf } from './records.js';
import type { FarmWriter } from './rows.js';
import { uploadAgain } from './uploads.js';

/** What became of a reply. */
export interface TakenOver {
  /** Records that were taken over. */
  readonly hosts: number;
  readonly jobs: number;
  readonly jobKeyvals: number;
  /** Records that could not be, of all kinds. */
  readonly badRecords: number;
  /** Jobs that the master has sent though they are finished here: they are to be uploaded again. */
  readonly uploadAgainJobIds: readonly number[];
}

type TakeRecord = (tx: FarmWriter, record: unknown) => Promise<unknown>;

/** Bad records that are told one by one; more of them would fill the disk with log. */
const TOLD_RECORDS = 10;

/** Rejects with StoreError, with the signal's reason, and with what is a defect. */
export class ReplyTaker {
  readonly #farm: Store<FarmTables>;
  readonly #name: string;
  readonly #log: Log;

  constructor(farm: Store<FarmTables>, name: string, log: Log) {
    this.#farm = farm;
    this.#name = name;
    this.#log = log;
  }

  async take(reply: HeartbeatReply, signal?: AbortSignal): Promise<TakenOver> {
    const hosts = await this.#takeAll('host', reply.hosts, deserializeHost, signal);
    // Before the jobs: one that is known here is not sent again, nor are the keyvals of its parent.
    const jobKeyvals = await this.#takeAll('job keyval', reply.jobKeyvals, deserializeJobKeyval, signal);
    const jobs = await this.#takeAll('job', reply.jobs, deserializeJob, signal);
    await removeIncorrectHosts(this.#farm, reply.incorrectHostIds);
    const received = reply.jobs.map(recordIdOf).filter(id => id !== null);
    return {
      hosts,
      jobs,
      jobKeyvals,
      badRecords: reply.hosts.length + reply.jobs.length + reply.jobKeyvals.length - hosts - jobs - jobKeyvals,
      uploadAgainJobIds: await uploadAgain(this.#farm, received),
    };
  }

  /** How many were taken over. */
  async #takeAll(
    kind: RecordKind,
    records: readonly unknown[],
    take: TakeRecord,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    let bad = 0;
    for (const record of records) {
      signal?.throwIfAborted();
      try {
        await this.#farm.readWrite(`take over ${kind}`, tx => take(tx, record), { repeatable: true });
      } catch (error) {
        if (!isOfRecord(error)) throw error;
        bad += 1;
        if (bad <= TOLD_RECORDS) this.#tellBad(kind, record, error);
      }
    }
    if (bad > TOLD_RECORDS) {
      const more = bad - TOLD_RECORDS;
      this.#log.error(`${this.#name}: ${String(more)} more ${kind} records were not taken over`, { kind, bad });
    }
    return records.length - bad;
  }

  #tellBad(kind: RecordKind, record: unknown, error: Error): void {
    const id = recordIdOf(record);
    const which = id === null ? `a ${kind} without an id` : `${kind} ${String(id)}`;
    this.#log.error(`${this.#name}: ${which} was not taken over: ${error.message}`, { kind, id, error });
  }
}

/** Of this program, whatever the record says. */
const DEFECTS = [TypeError, RangeError, ReferenceError, SyntaxError, ContextSwitchError];

/**
 * Whether the next record may fare better: this one is wrong, or the database refuses what it says, as one that points to
 * what is not there, or others were in its way. Not so when the database is gone, or this program has a defect.
 */
function isOfRecord(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if (error instanceof StoreError) return error.code === 'ERR_COMMIT_FAILED' || error.code === 'ERR_CONFLICT';
  return !DEFECTS.some(defect => error instanceof defect);
}
