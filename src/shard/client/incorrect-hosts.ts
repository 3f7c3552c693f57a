/** Hosts that are not this shard's any more. */
import type { Store } from '../../store/store.js';
import { chunksOf } from '../records/chunks.js';
import type { FarmTables } from '../records/farm-tables.js';

/** Marks them invalid and clears what links them; those that are not here are ignored. Jobs that name them keep them. */
export async function removeIncorrectHosts(farm: Store<FarmTables>, hostIds: readonly number[]): Promise<void> {
  if (hostIds.length === 0) return;
  await farm.readWrite(
    'remove incorrect hosts',
    async tx => {
      for (const ids of chunksOf(hostIds)) {
        await tx.updateTable('farm_host').set({ invalid: 1, shard_id: null }).where('id', 'in', ids).execute();
        await tx.deleteFrom('farm_host_label').where('host_id', 'in', ids).execute();
        await tx.deleteFrom('farm_acl_group_host').where('host_id', 'in', ids).execute();
      }
    },
    { repeatable: true },
  );
}
