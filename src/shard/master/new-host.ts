/** What a host is made from, and what hosts are listed by. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { OptionReader } from '../../option/option-reader.js';
import type { Flag } from '../records/farm-tables.js';
import { fits, RECORDS } from '../records/record-fields.js';
import { pairsOf, textOf, textsOf } from './fields.js';
import { readPage } from './page.js';
import { READY } from './statuses.js';

/** A host to be made. */
export interface NewHost {
  /** No other host has it that was not removed. */
  hostname: string;
  /** In the words of whoever drives it, up to 1,000 characters. Default `Ready`. */
  status?: string | undefined;
  /** Whoever schedules is not to use it. Default false. */
  locked?: boolean | undefined;
  /** Names of labels. */
  labels?: readonly string[] | undefined;
  attributes?: Readonly<Record<string, string>> | undefined;
  /** Names of groups. */
  aclGroups?: readonly string[] | undefined;
}

/** Which hosts are listed, those that were removed never; a page of them by their ids. */
export interface HostQuery {
  /** Hostname of the shard that they were assigned to; null: to none. */
  shard?: string | null | undefined;
  /** Name of a label that they carry. */
  label?: string | undefined;
  /** The last id of the page before. */
  afterId?: number | undefined;
  /** How many at most. Default 100. */
  limit?: number | undefined;
}

export interface CheckedHost {
  readonly hostname: string;
  readonly status: string;
  readonly locked: Flag;
  readonly labels: readonly string[];
  readonly attributes: readonly [name: string, value: string][];
  readonly aclGroups: readonly string[];
}

export interface HostFilter {
  readonly shard: string | null | undefined;
  readonly label: string | undefined;
  readonly afterId: number;
  readonly limit: number;
}

const NAMES = ['hostname', 'status', 'locked', 'labels', 'attributes', 'aclGroups'] satisfies (keyof NewHost)[];

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function checkNewHost(host: NewHost): CheckedHost {
  const read = new OptionReader(host, NAMES);
  return {
    hostname: textOf('hostname', host.hostname),
    status: statusOf(read.text('status')),
    locked: read.flag('locked') === true ? 1 : 0,
    labels: textsOf('labels', host.labels ?? []),
    attributes: pairsOf('attributes', host.attributes ?? {}),
    aclGroups: textsOf('aclGroups', host.aclGroups ?? []),
  };
}

function statusOf(status = READY): string {
  const field = RECORDS.host.fields.status;
  if (fits(field, status)) return status;
  throw invalidArgument('status', status, field.expected);
}

export function readHostQuery(query: HostQuery): HostFilter {
  const read = new OptionReader(query, ['shard', 'label', 'afterId', 'limit'] satisfies (keyof HostQuery)[]);
  return { shard: shardOf(query.shard), label: read.text('label'), ...readPage(query) };
}

export function shardOf(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return value;
  if (typeof value !== 'string') throw invalidArgument('shard', value, "a shard's hostname, or null");
  return textOf('shard', value);
}
