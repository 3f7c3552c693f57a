import { invalidArgument } from '../../option/invalid-argument.js';
import { flag, text } from '../../option/option-kinds.js';
import { Option, readOptions, type Settings, type Table } from '../../option/option-table.js';
import { ID, INTEGER, listOf, NAMES, PAGE, PAIRS, SHARD } from './fields.js';

/**
 * A job's part for one host: this host, or any host with this label. If all of the job's entries have neither, the job
 * goes to no shard and the master's own scheduler runs it.
 */
export interface NewEntry {
  /** Hostname. */
  host?: string | undefined;
  /** Name of a label. */
  metaHost?: string | undefined;
}

/** A job to create. */
export interface NewJob {
  name: string;
  owner: string;
  /** What to run; your scheduler decides what it means. */
  command: string;
  /** Jobs with larger numbers are assigned first. Default 0. */
  priority?: number | undefined;
  /** Labels that its hosts must have. */
  labels?: readonly string[] | undefined;
  keyvals?: Readonly<Record<string, string>> | undefined;
  /** The job of which it is a part; a shard also gets that job's keyvals. */
  parentJobId?: number | undefined;
  /** At least one. */
  entries: readonly NewEntry[];
}

/** A page of jobs in the order of their ids. */
export interface JobQuery {
  owner?: string | undefined;
  /** Hostname of their shard; null for jobs without a shard. */
  shard?: string | null | undefined;
  parentJobId?: number | undefined;
  /** Whether all entries are complete. */
  complete?: boolean | undefined;
  /** The last id of the previous page. */
  afterId?: number | undefined;
  /** Default 100. */
  limit?: number | undefined;
}

export const NEW_JOB = {
  name: text().required,
  owner: text().required,
  command: text().required,
  priority: INTEGER.or(0),
  labels: NAMES.or([]),
  keyvals: PAIRS.or([]),
  parentJobId: ID.or(null),
  entries: new Option<readonly NewEntry[], NewEntry[]>(
    'a list of at least one',
    (entries, field) => listOf(field, entries).map((entry, at) => checkEntry(`${field}[${String(at)}]`, entry)),
    'required',
  ),
} satisfies Table<NewJob>;

export type CheckedJob = Settings<typeof NEW_JOB>;

export const JOB_QUERY = {
  owner: text(),
  shard: SHARD,
  parentJobId: ID,
  complete: flag(),
  ...PAGE,
} satisfies Table<JobQuery>;

export type JobFilter = Settings<typeof JOB_QUERY>;

const NEW_ENTRY = { host: text(), metaHost: text() } satisfies Table<NewEntry>;

/** Throws a TypeError (`ERR_INVALID_ARG`). */
export function checkNewJob(given: unknown): CheckedJob {
  const job = readOptions(NEW_JOB, given);
  const { entries, labels } = job;
  if (entries.length === 0) throw invalidArgument('entries', entries, 'at least one');
  const hostless = entries.filter(({ host, metaHost }) => host === undefined && metaHost === undefined).length;
  if (hostless > 0 && (hostless < entries.length || labels.length > 0)) {
    throw invalidArgument('entries', entries, 'a host or a metaHost in each, or in none and no labels');
  }
  return job;
}

function checkEntry(field: string, entry: unknown): NewEntry {
  const checked = readOptions(NEW_ENTRY, entry, field);
  if (checked.host === undefined || checked.metaHost === undefined) return checked;
  throw invalidArgument(field, entry, 'a host or a metaHost, or neither');
}
