/** What a host is made from, and what hosts are listed by. */
import { flag, text } from '../../option/option-kinds.js';
import type { Settings, Table } from '../../option/option-table.js';
import type { Flag } from '../records/farm-tables.js';
import { fits, RECORDS } from '../records/record-fields.js';
import { NAMES, PAGE, PAIRS, SHARD } from './fields.js';
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

const STATUS = RECORDS.host.fields.status;

export const NEW_HOST = {
  hostname: text().required,
  status: text(STATUS.expected, status => fits(STATUS, status)).or(READY),
  locked: flag()
    .or(false)
    .as((locked): Flag => (locked ? 1 : 0)),
  labels: NAMES.or([]),
  attributes: PAIRS.or([]),
  aclGroups: NAMES.or([]),
} satisfies Table<NewHost>;

export type CheckedHost = Settings<typeof NEW_HOST>;

export const HOST_QUERY = { shard: SHARD, label: text(), ...PAGE } satisfies Table<HostQuery>;

export type HostFilter = Settings<typeof HOST_QUERY>;
