/**
 * Takes hosts back from a shard that has none of their labels any more, so that a shard can be drained. A host stays while
 * an open entry of the shard's jobs names it, waits for a label that it carries, or runs on it (only the shard knows that).
 */
import { type RawBuilder, sql } from 'kysely';
import { chunksOf } from '../records/chunks.js';
import type { FarmWriter } from '../records/farm-store.js';

/** `busyHostIds`: hosts that have an open entry on the shard. */
export async function freeHosts(tx: FarmWriter, shardId: number, busyHostIds: ReadonlySet<number>): Promise<void> {
  const unlabelled = await tx
    .selectFrom('farm_host')
    .select('id')
    .where('shard_id', '=', shardId)
    .where(hasNoLabelOf(shardId))
    .execute();
  const ids = unlabelled.map(({ id }) => id).filter(id => !busyHostIds.has(id));
  if (ids.length === 0) return;
  const needed = await openEntries(tx, shardId);
  const namedIds = new Set(needed.map(({ host_id }) => host_id));
  const labels = new Set(needed.filter(({ host_id }) => host_id === null).map(({ meta_host }) => meta_host));
  for (const some of chunksOf(ids)) {
    const links = await tx
      .selectFrom('farm_host_label')
      .select(['host_id', 'label_id'])
      .where('host_id', 'in', some)
      .execute();
    const awaited = new Set(links.filter(({ label_id }) => labels.has(label_id)).map(({ host_id }) => host_id));
    const free = some.filter(id => !namedIds.has(id) && !awaited.has(id));
    if (free.length === 0) continue;
    await tx.updateTable('farm_host').set({ shard_id: null }).where('id', 'in', free).execute();
  }
}

/** A condition on `farm_host`. */
const hasNoLabelOf = (shardId: number): RawBuilder<boolean> =>
  sql`NOT EXISTS (
    SELECT 1 FROM farm_host_label AS carried
      JOIN farm_shard_label AS held ON held.label_id = carried.label_id
    WHERE carried.host_id = farm_host.id AND held.shard_id = ${shardId}
  )`;

/** What the open entries of the shard's jobs need. From entries to jobs, with a literal 0, for SQLite's indexes. */
function openEntries(tx: FarmWriter, shardId: number): Promise<{ host_id: number | null; meta_host: number | null }[]> {
  return tx
    .selectFrom('farm_queue_entry as entry')
    .crossJoin('farm_job as job')
    .whereRef('job.id', '=', 'entry.job_id')
    .select(['entry.host_id', 'entry.meta_host'])
    .distinct()
    .where(sql<boolean>`entry.complete = 0`)
    .where('job.shard_id', '=', shardId)
    .execute();
}
