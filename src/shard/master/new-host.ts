import { flag, text } from '../../option/option-kinds.js';
import type { Settings, Table } from '../../option/option-table.js';
import type { Flag } from '../records/farm-tables.js';
import { FIELDS, fits } from '../records/record-fields.js';
import { NAMES, PAGE, PAIRS, SHARD } from './fields.js';
import { READY } from './statuses.js';

/** A host to create. */
export interface NewHost {
  /** Unique among hosts that have not been removed. */
  hostname: string;
  /** Any text of up to 1,000 characters. Default `Ready`. */
  status?: string | undefined;
  /** Whether schedulers must not use it. Default false. */
  locked?: boolean | undefined;
  labels?: readonly string[] | undefined;
  attributes?: Readonly<Record<string, string>> | undefined;
  aclGroups?: readonly string[] | undefined;
}

/** A page of hosts in the order of their ids, without removed ones. */
export interface HostQuery {
  /** Hostname of their shard; null for hosts without a shard. */
  shard?: string | null | undefined;
  label?: string | undefined;
  /** The last id of the previous page. */
  afterId?: number | undefined;
  /** Default 100. */
  limit?: number | undefined;
}

const STATUS = FIELDS.host.status;

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
