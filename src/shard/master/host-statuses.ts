/** What shards tell of their hosts. */
import type { Store } from '../../store/store.js';
import { byIds, chunksOf } from '../chunks.js';
import type { FarmTables } from '../farm-tables.js';
import type { HeartbeatPacket, Refused } from '../heartbeat.js';

/** Saves those that have changed, of hosts that are the shard's: of others it may tell nothing. Gives what was refused. */
export async function saveHostStatuses(
  store: Store<FarmTables>,
  shardId: number,
  knownHosts: HeartbeatPacket['knownHosts'],
): Promise<Refused[]> {
  const told = new Map(knownHosts.map(({ id, status }) => [id, status]));
  const saved = await store.read(
    db =>
      byIds(told.keys(), ids =>
        db
          .selectFrom('farm_host')
          .select(['id', 'status'])
          .where('id', 'in', ids)
          .where('shard_id', '=', shardId)
          .execute(),
      ),
    { name: 'read host statuses' },
  );
  const byStatus = new Map<string, number[]>();
  for (const { id, status } of saved) {
    const news = told.get(id);
    if (news === undefined || news === status) continue;
    byStatus.set(news, [...(byStatus.get(news) ?? []), id]);
  }
  if (byStatus.size === 0) return [];
  return store.readWrite('save host statuses', () => saveAll(store, shardId, byStatus), { repeatable: true });
}

async function saveAll(
  store: Store<FarmTables>,
  shardId: number,
  byStatus: ReadonlyMap<string, number[]>,
): Promise<Refused[]> {
  const refused: Refused[] = [];
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
      refused.push(...hostIds.map(id => ({ record: 'host' as const, id, reason: (error as Error).message })));
    }
  }
  return refused;
}
