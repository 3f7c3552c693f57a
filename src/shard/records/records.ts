/** Records, both ways: rows of the farm's tables as plain JSON, and taken over on the other side. */
import type { JobRow, QueueEntryRow } from './farm-tables.js';
import { RecordError, type RecordKind } from './record-error.js';
import { rawRecord, readRow, recordIdOf } from './record-fields.js';

export { RecordError, type RecordKind } from './record-error.js';
export { checkHostStatus, recordIdOf } from './record-fields.js';
export { entryRecords, jobRecords, serializeHosts, serializeJobKeyvals, serializeJobs } from './serialize.js';
export { deserializeHost, deserializeJob, deserializeJobKeyval } from './deserialize.js';

/** A job as a shard uploads it, alone. Throws RecordError. */
export function checkUploadedJob(record: unknown): JobRow {
  refuseRelated('job', record);
  return readRow('job', record);
}

/** A queue entry as a shard uploads it, alone. Throws RecordError. */
export function checkUploadedEntry(record: unknown): QueueEntryRow {
  refuseRelated('queue entry', record);
  return readRow('queue entry', record);
}

/** A shard tells of its own fields of a record; of what belongs to it the master knows more. */
function refuseRelated(kind: RecordKind, record: unknown): void {
  for (const [field, value] of Object.entries(rawRecord(kind, record))) {
    if (typeof value === 'object' && value !== null) {
      throw new RecordError(kind, recordIdOf(record), field, value, 'nothing that belongs to an uploaded record');
    }
  }
}
