/** Labels, and which shard takes what carries them. */
import type { LabelRow } from '../records/farm-tables.js';
import type { FarmWriter } from '../records/rows.js';
import type { FarmReader } from '../records/serialize.js';
import { takeIds } from './ids.js';
import { MasterError } from '../wire/master-error.js';
import { findLabel, findLabels, findShard, wanted } from './named.js';

export async function createLabel(tx: FarmWriter, name: string): Promise<number> {
  if ((await findLabels(tx, [name])).size > 0)
    throw new MasterError('ERR_EXISTS', `there is a label '${name}' already`);
  const nextId = await takeIds(tx, 'farm_label', 1);
  const id = nextId();
  await tx.insertInto('farm_label').values({ id, name }).execute();
  return id;
}

export async function listLabels(db: FarmReader): Promise<LabelRow[]> {
  return db.selectFrom('farm_label').selectAll().orderBy('id').execute();
}

/** Looks at the entries of all jobs: it is rare, and an index would cost each new job. */
export async function removeLabel(tx: FarmWriter, name: string): Promise<void> {
  const { id } = await findLabel(tx, name);
  const uses = {
    shard: tx.selectFrom('farm_shard_label').select('label_id').where('label_id', '=', id).limit(1),
    host: tx.selectFrom('farm_host_label').select('label_id').where('label_id', '=', id).limit(1),
    job: tx.selectFrom('farm_job_label').select('label_id').where('label_id', '=', id).limit(1),
    'queue entry': tx.selectFrom('farm_queue_entry').select('id').where('meta_host', '=', id).limit(1),
  };
  for (const [user, query] of Object.entries(uses)) {
    if ((await query.execute()).length === 0) continue;
    throw new MasterError('ERR_IN_USE', `the label '${name}' is that of a ${user}`);
  }
  await tx.deleteFrom('farm_label').where('id', '=', id).execute();
}

/** Those it has stay. */
export async function addShardLabels(tx: FarmWriter, hostname: string, names: readonly string[]): Promise<void> {
  const shard = await findShard(tx, hostname);
  const labels = await findLabels(tx, names);
  for (const name of names) {
    const label = wanted('label', name, labels.get(name));
    const owner = await tx
      .selectFrom('farm_shard_label as of')
      .innerJoin('farm_shard as shard', 'shard.id', 'of.shard_id')
      .select(['shard.id', 'shard.hostname'])
      .where('of.label_id', '=', label.id)
      .executeTakeFirst();
    if (owner?.id === shard.id) continue;
    if (owner !== undefined) {
      const text = `the label '${name}' is the shard's '${owner.hostname}': a label is of one shard at most`;
      throw new MasterError('ERR_LABEL_TAKEN', text);
    }
    await tx.insertInto('farm_shard_label').values({ shard_id: shard.id, label_id: label.id }).execute();
  }
}

export async function removeShardLabel(tx: FarmWriter, hostname: string, name: string): Promise<void> {
  const shard = await findShard(tx, hostname);
  const label = await findLabel(tx, name);
  const { numDeletedRows } = await tx
    .deleteFrom('farm_shard_label')
    .where('shard_id', '=', shard.id)
    .where('label_id', '=', label.id)
    .executeTakeFirstOrThrow();
  if (numDeletedRows === 0n) {
    throw new MasterError('ERR_NOT_FOUND', `the shard '${hostname}' has no label '${name}'`);
  }
}
