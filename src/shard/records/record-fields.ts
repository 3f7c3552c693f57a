/** What the fields of each kind of record may hold, and their values where a record leaves them out. */
import { type TSchema, Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { FarmTables, Flag, Moment } from './farm-tables.js';
import { RecordError, type RecordKind } from './record-error.js';

/** The table of each kind of record. */
export const TABLES = {
  host: 'farm_host',
  job: 'farm_job',
  'queue entry': 'farm_queue_entry',
  'job keyval': 'farm_job_keyval',
  'host attribute': 'farm_host_attribute',
  label: 'farm_label',
  'acl group': 'farm_acl_group',
  user: 'farm_user',
  shard: 'farm_shard',
} as const satisfies Record<RecordKind, keyof FarmTables>;

export type RecordRows = { [Kind in RecordKind]: FarmTables[(typeof TABLES)[Kind]] };

interface Field<T> {
  readonly schema: TSchema;
  readonly expected: string;
  /** The value where a record leaves the field out; undefined for a required field. */
  readonly absent?: T;
}

type Fields<Row> = { readonly [Column in keyof Row]: Field<Row[Column]> };

const MAX_ID = 2 ** 31 - 1;
const id: Field<number> = {
  schema: Type.Integer({ minimum: 1, maximum: MAX_ID }),
  expected: `an integer from 1 to ${String(MAX_ID)}`,
};
const integer: Field<number> = {
  schema: Type.Integer({ minimum: -MAX_ID, maximum: MAX_ID }),
  expected: `an integer from -${String(MAX_ID)} to ${String(MAX_ID)}`,
};
const flag: Field<Flag> = { schema: Type.Union([Type.Literal(0), Type.Literal(1)]), expected: '0 or 1' };
// PostgreSQL has no zero byte in a text.
const text: Field<string> = {
  schema: Type.String({ pattern: '^[^\\u0000]*$' }),
  expected: 'a string without a zero byte',
};
/** Bounds what a shard can make the master keep for each record. */
const MAX_STATUS_CHARS = 1_000;
const MAX_PATH_CHARS = 4_096;
const status = textUpTo(MAX_STATUS_CHARS);
const name: Field<string> = {
  schema: Type.String({ pattern: '^[^\\u0000]+$' }),
  expected: 'a non-empty string without a zero byte',
};
const moment: Field<Moment> = {
  schema: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' }),
  expected: 'a time such as 2026-01-31T12:00:00.000Z',
};

/** Null where a record leaves the field out. */
function orNull<T>({ schema, expected }: Field<T>): Field<T | null> {
  return { schema: Type.Union([schema, Type.Null()]), expected: `${expected}, or null`, absent: null };
}

function textUpTo(maxChars: number): Field<string> {
  const most = String(maxChars);
  return {
    // Not maxLength, which counts a letter with a million accents as one.
    schema: Type.String({ pattern: `^[^\\u0000]{0,${most}}$` }),
    expected: `a string of up to ${most} characters without a zero byte`,
  };
}

function orElse<T>(field: Field<T>, absent: T): Field<T> {
  return { ...field, absent };
}

export const FIELDS: { readonly [Kind in RecordKind]: Fields<RecordRows[Kind]> } = {
  host: {
    id,
    hostname: name,
    status,
    locked: orElse(flag, 0),
    leased: orElse(flag, 0),
    invalid: flag,
    shard_id: orNull(id),
  },
  job: {
    id,
    name: text,
    owner: text,
    priority: orElse(integer, 0),
    command: text,
    created_on: moment,
    parent_job_id: orNull(id),
    shard_id: orNull(id),
  },
  'queue entry': {
    id,
    job_id: id,
    host_id: orNull(id),
    meta_host: orNull(id),
    status,
    active: flag,
    complete: flag,
    aborted: flag,
    started_on: orNull(moment),
    finished_on: orNull(moment),
    execution_subdir: orElse(textUpTo(MAX_PATH_CHARS), ''),
  },
  'job keyval': { id, job_id: id, key: name, value: text },
  'host attribute': { id, host_id: id, attribute: name, value: text },
  label: { id, name },
  'acl group': { id, name, description: orElse(text, '') },
  user: { id, login: name, access_level: orElse(integer, 0) },
  shard: { id, hostname: name },
};

/** A record before its fields are checked. */
export type RawRecord = Readonly<Record<string, unknown>>;

export function rawRecord(kind: RecordKind, record: unknown): RawRecord {
  if (typeof record === 'object' && record !== null && !Array.isArray(record)) return record as RawRecord;
  throw new RecordError(kind, null, 'the record', record, 'an object');
}

/** The row in a record. Drops unknown fields: a newer master may send them. Throws a RecordError. */
export function readRow<Kind extends RecordKind>(kind: Kind, record: unknown): RecordRows[Kind] {
  const raw = rawRecord(kind, record);
  const fields = Object.entries<Field<unknown>>(FIELDS[kind]);
  const row = fields.map(([column, field]) => {
    const value = Object.hasOwn(raw, column) ? raw[column] : undefined;
    if (value === undefined && field.absent !== undefined) return [column, field.absent];
    checkField(kind, recordIdOf(raw), column, field, value);
    return [column, value];
  });
  return Object.fromEntries(row) as RecordRows[Kind];
}

/**
 * The row in an uploaded record, which holds nothing that belongs to it: that is the master's. Throws a RecordError.
 */
export function readUploadedRow<Kind extends 'job' | 'queue entry'>(kind: Kind, record: unknown): RecordRows[Kind] {
  for (const [field, value] of Object.entries(rawRecord(kind, record))) {
    if (typeof value === 'object' && value !== null) {
      throw new RecordError(kind, recordIdOf(record), field, value, 'nothing that belongs to an uploaded record');
    }
  }
  return readRow(kind, record);
}

/** Throws a RecordError. */
export function checkField(
  kind: RecordKind,
  recordId: number | null,
  column: string,
  field: Field<unknown>,
  value: unknown,
): void {
  if (!fits(field, value)) throw new RecordError(kind, recordId, column, value, field.expected);
}

/** Null when the record has no valid id. */
export function recordIdOf(record: unknown): number | null {
  if (typeof record !== 'object' || record === null || !('id' in record)) return null;
  return fits(id, record.id) ? (record.id as number) : null;
}

/** Compiled at first use: an uncompiled check takes some 7 us, and a packet may have millions of fields. */
const validators = new WeakMap<TSchema, Validator>();

export function fits({ schema }: Field<unknown>, value: unknown): boolean {
  let validator = validators.get(schema);
  if (validator === undefined) validators.set(schema, (validator = Compile(schema)));
  return validator.Check(value);
}
