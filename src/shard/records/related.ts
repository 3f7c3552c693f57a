/** What belongs to a record, read and checked before anything is written. */
import { RecordError, type RecordKind } from './record-error.js';
import { type RawRecord, readRow, recordIdOf, type RecordRows } from './record-fields.js';

/** The list under a name of its own; undefined where the record has none: of what belongs to it nothing is known. */
export function listIn(kind: RecordKind, record: RawRecord, field: string): readonly unknown[] | undefined {
  const value = Object.hasOwn(record, field) ? record[field] : undefined;
  if (value === undefined || Array.isArray(value)) return value as readonly unknown[] | undefined;
  throw new RecordError(kind, recordIdOf(record), field, value, 'a list of records');
}

/** The record under a name of its own, to which the id in `column` points; undefined where there is none. */
export function rowIn<Kind extends 'label' | 'shard'>(
  kind: RecordKind,
  record: RawRecord,
  field: string,
  target: Kind,
  pointsTo: number | null,
): RecordRows[Kind] | undefined {
  const value = Object.hasOwn(record, field) ? record[field] : undefined;
  if (value === undefined || value === null) return undefined;
  const row = readRow(target, value);
  if (row.id === pointsTo) return row;
  throw new RecordError(kind, recordIdOf(record), field, value, `the ${target} with the id ${String(pointsTo)}`);
}

/** Rows that point back to the record that they came with. */
export function childRows<Kind extends 'queue entry' | 'job keyval' | 'host attribute'>(
  kind: Kind,
  records: readonly unknown[],
  column: keyof RecordRows[Kind],
  ownerId: number,
): RecordRows[Kind][] {
  return records.map(record => {
    const row = readRow(kind, record);
    if (row[column] === ownerId) return row;
    throw new RecordError(kind, row.id, String(column), row[column], `${String(ownerId)}, as it came with that`);
  });
}
