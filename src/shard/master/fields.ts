/** Fields of a master's arguments. All readers throw TypeError (`ERR_INVALID_ARG`). */
import { invalidArgument } from '../../option/invalid-argument.js';
import { checked, flag, integer, text } from '../../option/option-kinds.js';
import { Option, type Table } from '../../option/option-table.js';
import { checkPacket } from '../wire/heartbeat-check.js';
import { HEARTBEAT_VERSION } from '../wire/heartbeat.js';

/** The largest `integer` of the databases. */
const MAX_INTEGER = 2 ** 31 - 1;

const STRING = checked<string>('a string without a zero byte', isString).required;
const NAME = text().required;

export const ID = integer({ from: 1, to: MAX_INTEGER });
export const INTEGER = integer({ from: -MAX_INTEGER, to: MAX_INTEGER });

export function listOf(field: string, value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw invalidArgument(field, value, 'a list');
}

/** Without duplicates. */
export const NAMES = new Option<readonly string[]>('a list of strings', (names, field) =>
  names === undefined
    ? undefined
    : [...new Set(listOf(field, names).map((name, at) => textOf(`${field}[${String(at)}]`, name)))],
);

/** Names with values, which may be empty. */
export const PAIRS = new Option<Readonly<Record<string, string>>, [name: string, value: string][] | undefined>(
  'an object of strings',
  (pairs, field) => {
    if (pairs === undefined) return undefined;
    if (typeof pairs !== 'object' || pairs === null || Array.isArray(pairs)) {
      throw invalidArgument(field, pairs, 'an object of strings');
    }
    return Object.entries(pairs).map(([name, value]) => [
      textOf(`a name in ${field}`, name),
      STRING.read(value, `${field}.${name}`),
    ]);
  },
);

export const textOf = (field: string, value: unknown): string => NAME.read(value, field);
export const namesOf = (field: string, value: unknown): readonly string[] => NAMES.required.read(value, field);
export const pairsOf = (field: string, value: unknown): [name: string, value: string][] =>
  PAIRS.required.read(value, field);
export const idOf = (field: string, value: unknown): number => ID.required.read(value, field);

export const SHARD = checked<string | null>(
  "a shard's hostname, or null",
  shard => shard === null || (isString(shard) && shard !== ''),
);

export const PAGE = {
  afterId: INTEGER.or(0),
  limit: integer({ from: 1, to: 10_000 }).or(100),
} satisfies Table<{ afterId?: number; limit?: number }>;

export const NEW_SHARD = { hostname: NAME, labels: NAMES.or([]) } satisfies Table<{
  hostname: string;
  labels?: readonly string[];
}>;

export const REMOVE_SHARD = { force: flag().or(false) } satisfies Table<{ force?: boolean }>;

export const NEW_USER = {
  login: NAME,
  accessLevel: INTEGER.or(0),
} satisfies Table<{ login: string; accessLevel?: number }>;

export const NEW_ACL_GROUP = {
  name: NAME,
  description: checked<string>(STRING.expected, isString).or(''),
  users: NAMES.or([]),
} satisfies Table<{ name: string; description?: string; users?: readonly string[] }>;

function isString(value: unknown): boolean {
  return typeof value === 'string' && !value.includes('\0');
}

/** A packet of this version or an older one, for callers without the routes. */
export function packetOf(value: unknown): void {
  try {
    checkPacket(value);
  } catch (error) {
    throw Object.assign(error as TypeError, { code: 'ERR_INVALID_ARG' });
  }
  if (value.version <= HEARTBEAT_VERSION) return;
  throw invalidArgument('the version of the packet', value.version, `at most ${String(HEARTBEAT_VERSION)}`);
}
