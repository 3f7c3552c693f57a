/** The statuses that shards report for their hosts. */
import type { Store } from '../../store/store.js';
import { isOfTables } from '../records/blame.js';
import { chunksOf, piecesOf } from '../records/chunks.js';
import { read, write } from '../records/farm-store.js';
import type { FarmTables, HostRow } from '../records/farm-tables.js';
import { groupedBy } from '../records/grouped.js';
import type { HeartbeatPacket } from '../wire/heartbeat.js';
import { checkField, FIELDS } from '../records/record-fields.js';
import type { Refusals } from './refusals.js';

/** Per transaction: a shard may have a different status for each host, and others wait to write. */
const STATUSES_AT_ONCE = 500;

type HostStatus = Pick<HostRow, 'id' | 'status'>;

/** Saves changed statuses; ignores hosts that are not the shard's. */
export async function saveHostStatuses(
  store: Store<FarmTables>,
  shardId: number,
  knownHosts: HeartbeatPacket['knownHosts'],
  refusals: Refusals,
): Promise<void> {
  const reported = new Map(knownHosts.map(({ id, status }) => [id, status]));
  const saved = await read(store, 'read host statuses', db =>
    // Not by the packet's ids, of which there may be a hundred times as many.
    db.selectFrom('farm_host').select(['id', 'status']).where('shard_id', '=', shardId).execute(),
  );
  const changed: HostStatus[] = [];
  for (const { id, status } of saved) {
    const news = reported.get(id);
    if (news === undefined || news === status) continue;
    try {
      // SQLite would store a status that the next shard refuses.
      checkField('host', id, 'status', FIELDS.host.status, news);
      changed.push({ id, status: news });
    } catch (error) {
      refusals.add('host', id, (error as Error).message);
    }
  }
  for (const some of piecesOf([...groupedBy(changed, 'status')], STATUSES_AT_ONCE)) {
    const refused = await write(store, 'save host statuses', () => saveAll(store, shardId, some));
    for (const [id, reason] of refused) refusals.add('host', id, reason);
  }
}

async function saveAll(
  store: Store<FarmTables>,
  shardId: number,
  byStatus: readonly [status: string, hosts: readonly HostStatus[]][],
): Promise<Map<number, string>> {
  const refused = new Map<number, string>();
  for (const [status, hosts] of byStatus) {
    const hostIds = hosts.map(({ id }) => id);
    try {
      // A savepoint each: a status that the database refuses undoes no other.
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
      if (isOfTables(error)) throw error;
      for (const id of hostIds) refused.set(id, (error as Error).message);
    }
  }
  return refused;
}
