/** What a reply brings, taken over record by record: one that is wrong is undone whole, told, and costs no other. */
import type { Log } from '../../report/log.js';
import type { Store } from '../../store/store.js';
import type { FarmTables } from '../records/farm-tables.js';
import type { HeartbeatReply } from '../wire/heartbeat.js';
import { removeIncorrectHosts } from './incorrect-hosts.js';
import {
  deserializeHost,
  deserializeJob,
  deserializeJobKeyval,
  type RecordKind,
  recordIdOf,
} from '../records/records.js';
import type { FarmWriter } from '../records/rows.js';
import { isOfOneSection, isOfRecord, isPassing } from './store-trouble.js';
import { uploadAgain } from './chosen-uploads.js';

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

/** A record that was not taken over, and why. */
interface BadRecord {
  readonly kind: RecordKind;
  readonly record: unknown;
  readonly error: Error;
}

/** Bad records that are told one by one; more of them would fill the disk with log. */
const TOLD_RECORDS = 10;
/** So many in a row that fail, and not for what they say, are no bad records: the database is in trouble. */
const MAX_TROUBLES = 10;

/** Rejects with what is the database's trouble, with the signal's reason, and with what is a defect. */
export class ReplyTaker {
  readonly #farm: Store<FarmTables>;
  readonly #log: Log;
  /** The bad records that were told last: they come with each heartbeat until somebody does something. */
  #told = '';

  constructor(farm: Store<FarmTables>, log: Log) {
    this.#farm = farm;
    this.#log = log;
  }

  async take(reply: HeartbeatReply, signal?: AbortSignal): Promise<TakenOver> {
    const bad: BadRecord[] = [];
    const hosts = await this.#takeAll('host', reply.hosts, deserializeHost, bad, signal);
    // Before the jobs: one that is known here is not sent again, nor are the keyvals of its parent.
    const jobKeyvals = await this.#takeAll('job keyval', reply.jobKeyvals, deserializeJobKeyval, bad, signal);
    const jobs = await this.#takeAll('job', reply.jobs, deserializeJob, bad, signal);
    this.#tellBad(bad);
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

  /** How many were taken over. */
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
        await this.#farm.readWrite(`take over ${kind}`, tx => take(tx, record), { repeatable: true });
        taken += 1;
        troubles = 0;
      } catch (error) {
        if (!isPassing(error) || !isOfOneSection(error)) throw error;
        if (!isOfRecord(error)) troubles += 1;
        // With jobs that come after it, a keyval would never be sent again.
        if (troubles >= (kind === 'job keyval' ? 1 : MAX_TROUBLES)) throw error;
        bad.push({ kind, record, error });
      }
    }
    return taken;
  }

  #tellBad(bad: readonly BadRecord[]): void {
    const names = bad.map(({ kind, record }) => nameOf(kind, recordIdOf(record)));
    const which = [...names].sort().join();
    if (which === this.#told) return;
    this.#told = which;
    for (const [at, { kind, record, error }] of bad.slice(0, TOLD_RECORDS).entries()) {
      const text = `${String(names[at])} was not taken over: ${error.message}`;
      this.#log.error(text, { kind, id: recordIdOf(record), error });
    }
    const more = bad.length - TOLD_RECORDS;
    if (more > 0) this.#log.error(`${String(more)} more records were not taken over`, { bad: bad.length });
  }
}

function nameOf(kind: RecordKind, id: number | null): string {
  return id === null ? `a ${kind} without an id` : `${kind} ${String(id)}`;
}
