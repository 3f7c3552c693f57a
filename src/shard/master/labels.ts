/** Labels, and the shards that get what carries them. */
import type { FarmWriter } from '../records/farm-store.js';
import { insertRows } from '../records/rows.js';
import { takeId } from './ids.js';
import { MasterError } from '../wire/master-error.js';
import { findOne, findShard, idsByName, refuseTaken } from './named.js';

export async function createLabel(tx: FarmWriter, name: string): Promise<number> {
  await refuseTaken(tx, 'label', name);
  const id = await takeId(tx, 'farm_label');
  await insertRows(tx, 'farm_label', [{ id, name }]);
  return id;
}

/** Reads the entries of all jobs: removing is rare, and an index would slow down every new job. */
export async function removeLabel(tx: FarmWriter, name: string): Promise<void> {
  const { id } = await findOne(tx, 'label', name);
  const uses = {
    shard: tx.selectFrom('farm_shard_label').select('label_id').where('label_id', '=', id).limit(1),
    host: tx.selectFrom('farm_host_label').select('label_id').where('label_id', '=', id).limit(1),
    job: tx.selectFrom('farm_job_label').select('label_id').where('label_id', '=', id).limit(1),
    'queue entry': tx.selectFrom('farm_queue_entry').select('id').where('meta_host', '=', id).limit(1),
  };
  for (const [user, query] of Object.entries(uses)) {
    if ((await query.execute()).length === 0) continue;
    throw new MasterError('ERR_IN_USE', `the label '${name}' is used by a ${user}`);
  }
  await tx.deleteFrom('farm_label').where('id', '=', id).execute();
}

/** Adds to the labels that the shard has. */
export async function addShardLabels(tx: FarmWriter, hostname: string, names: readonly string[]): Promise<void> {
  const shard = await findShard(tx, hostname);
  const labelId = await idsByName(tx, 'label', names);
  for (const name of names) {
    const label_id = labelId(name);
    const owner = await tx
      .selectFrom('farm_shard_label as of')
      .innerJoin('farm_shard as shard', 'shard.id', 'of.shard_id')
      .select(['shard.id', 'shard.hostname'])
      .where('of.label_id', '=', label_id)
      .executeTakeFirst();
    if (owner?.id === shard.id) continue;
    if (owner !== undefined) {
      const text = `the label '${name}' belongs to the shard '${owner.hostname}': a label belongs to at most one shard`;
      throw new MasterError('ERR_LABEL_TAKEN', text);
    }
    await insertRows(tx, 'farm_shard_label', [{ shard_id: shard.id, label_id }]);
  }
}

export async function removeShardLabel(tx: FarmWriter, hostname: string, name: string): Promise<void> {
  const shard = await findShard(tx, hostname);
  const label = await findOne(tx, 'label', name);
  const { numDeletedRows } = await tx
    .deleteFrom('farm_shard_label')
    .where('shard_id', '=', shard.id)
    .where('label_id', '=', label.id)
    .executeTakeFirstOrThrow();
  if (numDeletedRows === 0n) {
    throw new MasterError('ERR_NOT_FOUND', `the shard '${hostname}' has no label '${name}'`);
  }
}
