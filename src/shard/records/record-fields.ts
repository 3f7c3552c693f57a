/** What the fields of each kind of record may hold, and what they hold where a record does not say: one table for all. */
import { type TSchema, Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type {
  AclGroupRow,
  FarmTables,
  Flag,
  HostAttributeRow,
  HostRow,
  JobKeyvalRow,
  JobRow,
  LabelRow,
  Moment,
  QueueEntryRow,
  ShardRow,
  UserRow,
} from './farm-tables.js';
import { RecordError, type RecordKind } from './record-error.js';

/** The rows, by what their records are called. */
export interface RecordRows {
  host: HostRow;
  job: JobRow;
  'queue entry': QueueEntryRow;
  'job keyval': JobKeyvalRow;
  'host attribute': HostAttributeRow;
  label: LabelRow;
  'acl group': AclGroupRow;
  user: UserRow;
  shard: ShardRow;
}

interface Field<T> {
  readonly schema: TSchema;
  readonly expected: string;
  /** Without it a record must say. */
  readonly absent?: T;
}

interface KindOfRecord<Row> {
  readonly table: keyof FarmTables;
  readonly fields: { readonly [Column in keyof Row]: Field<Row[Column]> };
}

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
/** What a shard may tell, and the master keeps for each record: no shard fills its disk. */
const MAX_STATUS_CHARS = 1_000;
const MAX_PATH_CHARS = 4_096;
const status = textUpTo(MAX_STATUS_CHARS);
const name: Field<string> = {
  schema: Type.String({ pattern: '^[^\\u0000]+$' }),
  expected: 'a non-empty string without a zero byte',
};
const moment: Field<Moment> = {
  schema: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' }),
  expected: 'a moment such as 2026-01-31T12:00:00.000Z',
};

/** Null where a record does not say. */
function orNull<T>({ schema, expected }: Field<T>): Field<T | null> {
  return { schema: Type.Union([schema, Type.Null()]), expected: `${expected}, or null`, absent: null };
}

function textUpTo(maxChars: number): Field<string> {
  const most = String(maxChars);
  return {
    // Not maxLength, for which a letter with a million accents is one.
    schema: Type.String({ pattern: `^[^\\u0000]{0,${most}}$` }),
    expected: `a string of up to ${most} characters without a zero byte`,
  };
}

function orElse<T>(field: Field<T>, absent: T): Field<T> {
  return { ...field, absent };
}

export const RECORDS: { readonly [Kind in RecordKind]: KindOfRecord<RecordRows[Kind]> } = {
  host: {
    table: 'farm_host',
    fields: {
      id,
      hostname: name,
      status,
      locked: orElse(flag, 0),
      leased: orElse(flag, 0),
      invalid: flag,
      shard_id: orNull(id),
    },
  },
  job: {
    table: 'farm_job',
    fields: {
      id,
      name: text,
      owner: text,
      priority: orElse(integer, 0),
      command: text,
      created_on: moment,
      parent_job_id: orNull(id),
      shard_id: orNull(id),
    },
  },
  'queue entry': {
    table: 'farm_queue_entry',
    fields: {
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
  },
  'job keyval': { table: 'farm_job_keyval', fields: { id, job_id: id, key: name, value: text } },
  'host attribute': { table: 'farm_host_attribute', fields: { id, host_id: id, attribute: name, value: text } },
  label: { table: 'farm_label', fields: { id, name } },
  'acl group': { table: 'farm_acl_group', fields: { id, name, description: orElse(text, '') } },
  user: { table: 'farm_user', fields: { id, login: name, access_level: orElse(integer, 0) } },
  shard: { table: 'farm_shard', fields: { id, hostname: name } },
};

/** A record before its fields are looked at. */
export type RawRecord = Readonly<Record<string, unknown>>;

export function rawRecord(kind: RecordKind, record: unknown): RawRecord {
  if (typeof record === 'object' && record !== null && !Array.isArray(record)) return record as RawRecord;
  throw new RecordError(kind, null, 'the record', record, 'an object');
}

/** The row that a record tells of. Fields that are not known are left out: they are a newer master's. */
export function readRow<Kind extends RecordKind>(kind: Kind, record: unknown): RecordRows[Kind] {
  const raw = rawRecord(kind, record);
  const fields = Object.entries<Field<unknown>>(RECORDS[kind].fields);
  const row = fields.map(([column, field]) => {
    const value = Object.hasOwn(raw, column) ? raw[column] : undefined;
    if (value === undefined && field.absent !== undefined) return [column, field.absent];
    checkField(kind, recordIdOf(raw), column, field, value);
    return [column, value];
  });
  return Object.fromEntries(row) as RecordRows[Kind];
}

/** What a host's row may have as its status. Throws RecordError. */
export function checkHostStatus(hostId: number, given: string): void {
  checkField('host', hostId, 'status', status, given);
}

function checkField(
  kind: RecordKind,
  recordId: number | null,
  column: string,
  field: Field<unknown>,
  value: unknown,
): void {
  if (!fits(field, value)) throw new RecordError(kind, recordId, column, value, field.expected);
}

/** For a log line or a refusal, whatever else is wrong with the record. Null when it has no id. */
export function recordIdOf(record: unknown): number | null {
  if (typeof record !== 'object' || record === null || !('id' in record)) return null;
  return fits(id, record.id) ? (record.id as number) : null;
}

/** Compiled at first use: uncompiled, a field takes some 7 us, and a packet may have millions of them. */
const validators = new WeakMap<TSchema, Validator>();

export function fits({ schema }: Field<unknown>, value: unknown): boolean {
  const known = validators.get(schema);
  if (known !== undefined) return known.Check(value);
  const validator = Compile(schema);
  validators.set(schema, validator);
  return validator.Check(value);
}
