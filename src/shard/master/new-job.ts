/** What a job is made from, and what jobs are listed by. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { flag, text } from '../../option/option-kinds.js';
import { Option, readOptions, type Settings, type Table } from '../../option/option-table.js';
import { ID, INTEGER, listOf, NAMES, PAGE, PAIRS, SHARD } from './fields.js';

/**
 * One host's part of a job: on this host, or on any with this label. With neither it needs no host; then none of the
 * job's entries may, no shard is handed it, and the master's own scheduler runs it.
 */
export interface NewEntry {
  /** Hostname. */
  host?: string | undefined;
  /** Name of a label. */
  metaHost?: string | undefined;
}

/** A job to be made. */
export interface NewJob {
  name: string;
  /** Whose it is. */
  owner: string;
  /** What it does, in the words of whoever runs it. */
  command: string;
  /** Larger ones are handed out first. Default 0. */
  priority?: number | undefined;
  /** Names of the labels that its hosts must have. */
  labels?: readonly string[] | undefined;
  keyvals?: Readonly<Record<string, string>> | undefined;
  /** The job that it is a part of, whose keyvals a shard is sent with it. */
  parentJobId?: number | undefined;
  /** At least one. */
  entries: readonly NewEntry[];
}

/** Which jobs are listed: a page of them by their ids. */
export interface JobQuery {
  owner?: string | undefined;
  /** Hostname of the shard that they were handed to; null: to none. */
  shard?: string | null | undefined;
  /** The job that they are parts of. */
  parentJobId?: number | undefined;
  /** Whether all of their entries are. */
  complete?: boolean | undefined;
  /** The last id of the page before. */
  afterId?: number | undefined;
  /** How many at most. Default 100. */
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

/** Throws TypeError (`ERR_INVALID_ARG`). */
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
