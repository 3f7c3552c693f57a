/** Why a record was not taken over. */
import { invalidArgument } from '../../option/invalid-argument.js';

/** What a record can be: a row of one of the farm's tables that shard and master tell each other of. */
export type RecordKind =
  'host' | 'job' | 'queue entry' | 'job keyval' | 'host attribute' | 'label' | 'acl group' | 'user' | 'shard';

/** A record cannot be what it says it is. Costs that record, and what it belongs to, and nothing else. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
  readonly code = 'ERR_RECORD';
  readonly record: RecordKind;
  /** Null when not even that could be read. */
  readonly id: number | null;
  readonly field: string;

  /** @internal */
  constructor(record: RecordKind, id: number | null, field: string, value: unknown, expected: string) {
    const which = id === null ? `a ${record} without an id` : `${record} ${String(id)}`;
    super(`${which}: ${invalidArgument(field, value, expected).message}`);
    this.record = record;
    this.id = id;
    this.field = field;
  }
}
