/** What shards tell of their hosts. */
import type { Store } from '../../store/store.js';
import { chunksOf } from '../records/chunks.js';
import type { FarmTables } from '../records/farm-tables.js';
import type { HeartbeatPacket } from '../wire/heartbeat.js';
import { checkHostStatus } from '../records/records.js';
import type { Refusals } from './refusals.js';

/** In one transaction: a shard may have another one for each of its hosts, and others write as well. */
const STATUSES_AT_ONCE = 500;

/** Saves those that have changed, of hosts that are the shard's: of others it may tell nothing. */
export async function saveHostStatuses(
  store: Store<FarmTables>,
  shardId: number,
  knownHosts: HeartbeatPacket['knownHosts'],
  refusals: Refusals,
): Promise<void> {
  const told = new Map(knownHosts.map(({ id, status }) => [id, status]));
  const saved = await store.read(
    // Not by the ids that were told: of those there may be a hundred times as many.
    db => db.selectFrom('farm_host').select(['id', 'status']).where('shard_id', '=', shardId).execute(),
    { name: 'read host statuses' },
  );
  const byStatus = new Map<string, number[]>();
  for (const { id, status } of saved) {
    const news = told.get(id);
    if (news === undefined || news === status) continue;
    try {
      // SQLite would take one that the next shard refuses.
      checkHostStatus(id, news);
    } catch (error) {
      refusals.add('host', id, (error as Error).message);
      continue;
    }
    const same = byStatus.get(news);
    if (same === undefined) byStatus.set(news, [id]);
    else same.push(id);
  }
  const all = [...byStatus];
  for (let from = 0; from < all.length; from += STATUSES_AT_ONCE) {
    const some = all.slice(from, from + STATUSES_AT_ONCE);
    const refused = await store.readWrite('save host statuses', () => saveAll(store, shardId, some), {
      repeatable: true,
    });
    for (const [id, reason] of refused) refusals.add('host', id, reason);
  }
}

async function saveAll(
  store: Store<FarmTables>,
  shardId: number,
  byStatus: readonly (readonly [status: string, hostIds: number[]])[],
): Promise<Map<number, string>> {
  const refused = new Map<number, string>();
  for (const [status, hostIds] of byStatus) {
    try {
      // A part of its own: a status that the database refuses is all that is lost.
      await store.readWrite('save a host status', async tx => {
        for (const ids of chunksOf(hostIds)) {
          await tx
            .updateTable('farm_host')
            .set({ status })
            .where('id', 'in', ids)
            .where('shard_id', '=', shardId)
            .execute();
        }
      });
    } catch (error) {
      for (const id of hostIds) refused.set(id, (error as Error).message);
    }
  }
  return refused;
}
