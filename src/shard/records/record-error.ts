import { invalidArgument } from '../../option/invalid-argument.js';

/** The kind of a record: a row of one of the tables that shard and master exchange. */
export type RecordKind =
  'host' | 'job' | 'queue entry' | 'job keyval' | 'host attribute' | 'label' | 'acl group' | 'user' | 'shard';

/**
 * A record is not valid.
 *
 * - `ERR_RECORD`: a field of a record is not valid. Only that record and the one to which it belongs are skipped.
 *   `record`, `id` and `field` identify it.
 */
export class RecordError extends Error {
  override readonly name = 'RecordError';
  readonly code = 'ERR_RECORD';
  readonly record: RecordKind;
  /** Null if the record has no valid id. */
  readonly id: number | null;
  readonly field: string;

  /** @internal */
  constructor(record: RecordKind, id: number | null, field: string, value: unknown, expected: string) {
    super(`${nameOfRecord(record, id)}: ${invalidArgument(field, value, expected).message}`);
    this.record = record;
    this.id = id;
    this.field = field;
  }
}

export function nameOfRecord(kind: RecordKind, id: number | null): string {
  return id === null ? `a ${kind} without an id` : `${kind} ${String(id)}`;
}
