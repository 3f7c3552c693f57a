/** Shards as the master knows them. */
import { sql } from 'kysely';
import { chunksOf, readByIds } from '../records/chunks.js';
import type { FarmReader, FarmWriter } from '../records/farm-store.js';
import type { QueueEntryRow } from '../records/farm-tables.js';
import { groupedBy } from '../records/grouped.js';
import { insertRows } from '../records/rows.js';
import { takeId } from './ids.js';
import { addShardLabels } from './labels.js';
import { MasterError } from '../wire/master-error.js';
import { findShard, refuseTaken } from './named.js';
import { ABORTED, QUEUED } from './statuses.js';

type OpenEntry = Pick<QueueEntryRow, 'id' | 'job_id' | 'aborted'>;

/** A shard in a list. */
export interface ListedShard {
  readonly id: number;
  readonly hostname: string;
  readonly labels: readonly string[];
}

export async function createShard(tx: FarmWriter, hostname: string, labels: readonly string[]): Promise<number> {
  await refuseTaken(tx, 'shard', hostname);
  const id = await takeId(tx, 'farm_shard');
  await insertRows(tx, 'farm_shard', [{ id, hostname }]);
  await addShardLabels(tx, hostname, labels);
  return id;
}

export async function listShards(db: FarmReader): Promise<ListedShard[]> {
  const shards = await db.selectFrom('farm_shard').selectAll().orderBy('id').execute();
  const labels = await db
    .selectFrom('farm_shard_label as of')
    .innerJoin('farm_label as label', 'label.id', 'of.label_id')
    .select(['of.shard_id', 'label.name'])
    .orderBy('label.name')
    .execute();
  const labelsOf = groupedBy(labels, 'shard_id');
  return shards.map(shard => ({ ...shard, labels: (labelsOf.get(shard.id) ?? []).map(({ name }) => name) }));
}

/** Keeps finished jobs, without the shard that ran them. */
export async function removeShard(tx: FarmWriter, hostname: string, force: boolean): Promise<void> {
  const { id } = await findShard(tx, hostname);
  const hosts = await tx.selectFrom('farm_host').select('id').where('shard_id', '=', id).execute();
  const open = await tx
    .selectFrom('farm_queue_entry as entry')
    .innerJoin('farm_job as job', 'job.id', 'entry.job_id')
    .select(['entry.id', 'entry.job_id', 'entry.aborted'])
    .where('entry.complete', '=', 0)
    .where('job.shard_id', '=', id)
    .execute();
  if (!force && hosts.length + open.length > 0) {
    const has = [counted(hosts.length, 'host', 'hosts'), counted(open.length, 'open entry', 'open entries')];
    const what = `shard '${hostname}' still has ${has.filter(part => part !== '').join(' and ')}`;
    const advice = 'remove its labels and wait until they are gone, or stop it and pass force: true';
    throw new MasterError('ERR_IN_USE', `${what}: ${advice}`);
  }
  await takeBack(tx, open);
  await tx.updateTable('farm_host').set({ shard_id: null }).where('shard_id', '=', id).execute();
  await tx.updateTable('farm_job').set({ shard_id: null }).where('shard_id', '=', id).execute();
  await tx.deleteFrom('farm_shard_token').where('shard_id', '=', id).execute();
  await tx.deleteFrom('farm_shard_label').where('shard_id', '=', id).execute();
  await tx.deleteFrom('farm_shard').where('id', '=', id).execute();
}

/** Resets open entries so that they can be assigned again; aborts those of begun jobs and those that were to end. */
async function takeBack(tx: FarmWriter, open: readonly OpenEntry[]): Promise<void> {
  const jobIds = open.map(entry => entry.job_id);
  const begun = await readByIds(jobIds, ids =>
    tx
      .selectFrom('farm_queue_entry')
      .select('job_id')
      .distinct()
      .where('job_id', 'in', ids)
      .where('complete', '=', 1)
      .execute(),
  );
  const partsOf = new Set(begun.map(({ job_id }) => job_id));
  const ends = new Set(open.filter(({ aborted, job_id }) => aborted === 1 || partsOf.has(job_id)).map(({ id }) => id));
  const finished_on = new Date().toISOString();
  for (const ids of chunksOf([...ends])) {
    await tx
      .updateTable('farm_queue_entry')
      .set({ status: ABORTED, active: 0, aborted: 1, complete: 1, finished_on })
      .where('id', 'in', ids)
      .execute();
  }
  for (const ids of chunksOf(open.map(({ id }) => id).filter(id => !ends.has(id)))) {
    await tx
      .updateTable('farm_queue_entry')
      .set({ ...QUEUED, host_id: sql<number | null>`CASE WHEN meta_host IS NULL THEN host_id END` })
      .where('id', 'in', ids)
      .execute();
  }
}

/** Empty for none. */
function counted(count: number, one: string, several: string): string {
  return count === 0 ? '' : `${String(count)} ${count === 1 ? one : several}`;
}
