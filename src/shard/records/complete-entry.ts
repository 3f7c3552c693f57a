/** The end of a queue entry on a shard. */
import type { Store } from '../../store/store.js';
import { farmOf } from './farm-store.js';
import type { FarmTables, Moment } from './farm-tables.js';
import { RecordError } from './record-error.js';
import { readRow } from './record-fields.js';

const MOMENT = 'a moment such as 2026-01-31T12:00:00.000Z';

/** What became of a queue entry. */
export interface EntryOutcome {
  /** In the words of whoever ran it, up to 1,000 characters: `Completed`, `Failed`, `Aborted`. */
  readonly status: string;
  readonly finishedOn: Moment;
}

/**
 * Completes a queue entry, for its job to be uploaded: writes status and finish time, then gives the job to the upload
 * (`shard_id` null), then says that the entry is complete, each in a section of its own. The upload needs the last two bits,
 * so that whoever dies in between leaves an entry that is not complete and that nobody reports; call it again then.
 * An entry that is complete keeps its outcome: nothing is done to it.
 *
 * Rejects with RecordError (`ERR_RECORD`), before anything is written, for an entry that is not there, and for one that the
 * master would refuse: for a status or a moment that is none, here or in what the entry has already. And with StoreError.
 */
export async function completeEntry<DB extends FarmTables>(
  store: Store<DB>,
  entryId: number,
  { status, finishedOn }: EntryOutcome,
): Promise<void> {
  // Null is no end.
  if (typeof finishedOn !== 'string') throw new RecordError('queue entry', entryId, 'finished_on', finishedOn, MOMENT);
  const farm = farmOf(store);
  const entry = await farm.readWrite(
    'entry outcome',
    async tx => {
      const found = await tx.selectFrom('farm_queue_entry').selectAll().where('id', '=', entryId).executeTakeFirst();
      if (found === undefined) throw new RecordError('queue entry', entryId, 'id', entryId, 'an entry of this store');
      if (found.complete === 1) return found;
      const outcome = { status, finished_on: finishedOn, active: 0 } as const;
      // All of it is told to the master, also what others have written; once it is complete nobody could mend it.
      readRow('queue entry', { ...found, ...outcome });
      await tx.updateTable('farm_queue_entry').set(outcome).where('id', '=', entryId).execute();
      return found;
    },
    { repeatable: true },
  );
  if (entry.complete === 1) return;
  await farm.readWrite(
    'job to upload',
    tx => tx.updateTable('farm_job').set({ shard_id: null }).where('id', '=', entry.job_id).execute(),
    { repeatable: true },
  );
  await farm.readWrite(
    'entry complete',
    tx => tx.updateTable('farm_queue_entry').set({ complete: 1 }).where('id', '=', entryId).execute(),
    { repeatable: true },
  );
}
