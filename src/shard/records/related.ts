/** What belongs to a record, read and checked before anything is written. */
import { RecordError, type RecordKind } from './record-error.js';
import { type RawRecord, readRow, recordIdOf, type RecordRows } from './record-fields.js';

/** The list in a field; undefined where the record has none, which says nothing about what belongs to it. */
export function listIn(kind: RecordKind, record: RawRecord, field: string): readonly unknown[] | undefined {
  const value = Object.hasOwn(record, field) ? record[field] : undefined;
  if (value === undefined || Array.isArray(value)) return value as readonly unknown[] | undefined;
  throw new RecordError(kind, recordIdOf(record), field, value, 'a list of records');
}

/** The list in a field, as rows of one kind. */
export function rowsIn<Kind extends RecordKind>(
  kind: RecordKind,
  record: RawRecord,
  field: string,
  target: Kind,
): RecordRows[Kind][] | undefined {
  return listIn(kind, record, field)?.map(item => readRow(target, item));
}

/** The record in a field, to which the id in `column` points; undefined where there is none. */
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

/** The list in a field, as rows that point back to the record that they came with. */
export function childRows<Kind extends 'queue entry' | 'job keyval' | 'host attribute'>(
  parent: 'host' | 'job',
  record: RawRecord,
  field: string,
  kind: Kind,
  owner: { readonly column: keyof RecordRows[Kind]; readonly id: number },
): RecordRows[Kind][] | undefined {
  return rowsIn(parent, record, field, kind)?.map(row => {
    const { column, id } = owner;
    if (row[column] === id) return row;
    throw new RecordError(kind, row.id, String(column), row[column], `${String(id)}, because it came with that record`);
  });
}
