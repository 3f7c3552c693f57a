/** What a job is made from, and what jobs are listed by. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { OptionReader } from '../../option/option-reader.js';
import { idOf, integerOf, listOf, pairsOf, textOf, textsOf } from './fields.js';
import { shardOf } from './new-host.js';
import { readPage } from './page.js';

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

export interface CheckedJob {
  readonly name: string;
  readonly owner: string;
  readonly command: string;
  readonly priority: number;
  readonly labels: readonly string[];
  readonly keyvals: readonly [key: string, value: string][];
  readonly parentJobId: number | null;
  readonly entries: readonly NewEntry[];
}

export interface JobFilter {
  readonly owner: string | undefined;
  readonly shard: string | null | undefined;
  readonly parentJobId: number | undefined;
  readonly complete: boolean | undefined;
  readonly afterId: number;
  readonly limit: number;
}

const JOB = [
  'name',
  'owner',
  'command',
  'priority',
  'labels',
  'keyvals',
  'parentJobId',
  'entries',
] satisfies (keyof NewJob)[];
const QUERY = ['owner', 'shard', 'parentJobId', 'complete', 'afterId', 'limit'] satisfies (keyof JobQuery)[];

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function checkNewJob(job: NewJob): CheckedJob {
  new OptionReader(job, JOB);
  const labels = textsOf('labels', job.labels ?? []);
  return {
    name: textOf('name', job.name),
    owner: textOf('owner', job.owner),
    command: textOf('command', job.command),
    priority: integerOf('priority', job.priority ?? 0),
    labels,
    keyvals: pairsOf('keyvals', job.keyvals ?? {}),
    parentJobId: job.parentJobId === undefined ? null : idOf('parentJobId', job.parentJobId),
    entries: checkEntries(job.entries, labels),
  };
}

export function readJobQuery(query: JobQuery): JobFilter {
  const read = new OptionReader(query, QUERY);
  return {
    owner: read.text('owner'),
    shard: shardOf(query.shard),
    parentJobId: query.parentJobId === undefined ? undefined : idOf('parentJobId', query.parentJobId),
    complete: read.flag('complete'),
    ...readPage(query),
  };
}

function checkEntries(value: unknown, labels: readonly string[]): NewEntry[] {
  const entries = listOf('entries', value).map((entry, at) => checkEntry(`entries[${String(at)}]`, entry));
  if (entries.length === 0) throw invalidArgument('entries', value, 'at least one');
  const hostless = entries.filter(({ host, metaHost }) => host === undefined && metaHost === undefined).length;
  if (hostless > 0 && (hostless < entries.length || labels.length > 0)) {
    throw invalidArgument('entries', value, 'a host or a metaHost in each, or in none and no labels');
  }
  return entries;
}

function checkEntry(field: string, entry: unknown): NewEntry {
  const read = new OptionReader(entry, ['host', 'metaHost'] satisfies (keyof NewEntry)[]);
  const checked = { host: read.text('host'), metaHost: read.text('metaHost') };
  if (checked.host === undefined || checked.metaHost === undefined) return checked;
  throw invalidArgument(field, entry, 'a host or a metaHost, or neither');
}
