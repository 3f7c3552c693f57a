import type { Store } from '../../store/store.js';
import { farmOf, write } from './farm-store.js';
import type { FarmTables, Moment } from './farm-tables.js';
import { RecordError } from './record-error.js';
import { readRow } from './record-fields.js';

const MOMENT = 'a time such as 2026-01-31T12:00:00.000Z, as date.toISOString() returns it';

/** The outcome of a queue entry. */
export interface EntryOutcome {
  /** Any text of up to 1,000 characters, such as `Completed`, `Failed` or `Aborted`. */
  readonly status: string;
  readonly finishedOn: Moment;
}

/**
 * Completes a queue entry so that its job is uploaded. Three sections write status and finish time, then the job's null
 * `shard_id`, then `complete`. The upload needs the last two: a process that dies in between leaves an entry that is
 * neither complete nor uploaded; in that case, call it again. A complete entry keeps its outcome.
 *
 * Rejects before it writes, with a RecordError (`ERR_RECORD`), if the entry is missing or the master would refuse it:
 * with an invalid status or time, in `outcome` or already in the entry. Also rejects with a StoreError.
 */
export async function completeEntry<DB extends FarmTables>(
  store: Store<DB>,
  entryId: number,
  { status, finishedOn }: EntryOutcome,
): Promise<void> {
  // The column may be null, an outcome may not.
  if (typeof finishedOn !== 'string') throw new RecordError('queue entry', entryId, 'finished_on', finishedOn, MOMENT);
  const farm = farmOf(store);
  const entry = await write(farm, 'entry outcome', async tx => {
    const found = await tx.selectFrom('farm_queue_entry').selectAll().where('id', '=', entryId).executeTakeFirst();
    if (found === undefined) throw new RecordError('queue entry', entryId, 'id', entryId, 'an entry of this store');
    if (found.complete === 1) return found;
    const outcome = { status, finished_on: finishedOn, active: 0 } as const;
    // The master gets the whole row, and a complete one can no longer be corrected.
    readRow('queue entry', { ...found, ...outcome });
    await tx.updateTable('farm_queue_entry').set(outcome).where('id', '=', entryId).execute();
    return found;
  });
  if (entry.complete === 1) return;
  await write(farm, 'job to upload', tx =>
    tx.updateTable('farm_job').set({ shard_id: null }).where('id', '=', entry.job_id).execute(),
  );
  await write(farm, 'entry complete', tx =>
    tx.updateTable('farm_queue_entry').set({ complete: 1 }).where('id', '=', entryId).execute(),
  );
}
