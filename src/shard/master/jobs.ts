/** Jobs as the master knows them. */
import { readByIds } from '../records/chunks.js';
import type { FarmReader, FarmWriter } from '../records/farm-store.js';
import type { JobRow, QueueEntryRow } from '../records/farm-tables.js';
import { insertRows } from '../records/rows.js';
import { takeIds } from './ids.js';
import { MasterError } from '../wire/master-error.js';
import { findShard, idsByName, wanted } from './named.js';
import type { CheckedJob, JobFilter } from './new-job.js';
import { ABORTED, QUEUED } from './statuses.js';

type MadeJob = CheckedJob & { readonly id: number };

export async function createJobs(tx: FarmWriter, jobs: readonly CheckedJob[]): Promise<number[]> {
  await checkParents(tx, jobs);
  const nextId = await takeIds(tx, 'farm_job', jobs.length);
  const created_on = new Date().toISOString();
  const made = jobs.map(job => ({ ...job, id: nextId() }));
  const rows = made.map(({ id, name, owner, command, priority, parentJobId }): JobRow => {
    return { id, name, owner, command, priority, created_on, parent_job_id: parentJobId, shard_id: null };
  });
  await insertRows(tx, 'farm_job', rows);
  const names = made.flatMap(({ labels, entries }) => [...labels, ...entries.map(entry => entry.metaHost)]);
  const labelNames = names.filter(name => name !== undefined);
  const labelId = await idsByName(tx, 'label', labelNames);
  const links = made.flatMap(job => job.labels.map(name => ({ job_id: job.id, label_id: labelId(name) })));
  await insertRows(tx, 'farm_job_label', links);
  await insertEntries(tx, made, labelId);
  await insertKeyvals(tx, made);
  return made.map(({ id }) => id);
}

export async function listJobs(db: FarmReader, filter: JobFilter): Promise<JobRow[]> {
  let query = db.selectFrom('farm_job as job').selectAll('job');
  const { owner, shard, parentJobId, complete } = filter;
  if (owner !== undefined) query = query.where('job.owner', '=', owner);
  if (parentJobId !== undefined) query = query.where('job.parent_job_id', '=', parentJobId);
  if (shard === null) query = query.where('job.shard_id', 'is', null);
  else if (shard !== undefined) query = query.where('job.shard_id', '=', (await findShard(db, shard)).id);
  if (complete !== undefined) {
    query = query.where(({ exists, not, selectFrom }) => {
      const open = exists(
        selectFrom('farm_queue_entry as entry')
          .select('entry.id')
          .whereRef('entry.job_id', '=', 'job.id')
          .where('entry.complete', '=', 0),
      );
      return complete ? not(open) : open;
    });
  }
  return query.where('job.id', '>', filter.afterId).orderBy('job.id').limit(filter.limit).execute();
}

export async function listEntries(db: FarmReader, jobId: number): Promise<QueueEntryRow[]> {
  return db.selectFrom('farm_queue_entry').selectAll().where('job_id', '=', jobId).orderBy('id').execute();
}

/** The shard, or the runner of an active entry, ends what it has. Resolves with the number of open entries. */
export async function abortJob(tx: FarmWriter, jobId: number): Promise<number> {
  const { shard_id } = await findJob(tx, jobId);
  const open = tx.updateTable('farm_queue_entry').where('job_id', '=', jobId).where('complete', '=', 0);
  const { numUpdatedRows } = await open.set({ aborted: 1 }).executeTakeFirstOrThrow();
  if (shard_id === null) {
    const finished_on = new Date().toISOString();
    await open.where('active', '=', 0).set({ status: ABORTED, finished_on, complete: 1 }).execute();
  }
  return Number(numUpdatedRows);
}

export async function removeJob(tx: FarmWriter, jobId: number): Promise<void> {
  await findJob(tx, jobId);
  if ((await listEntries(tx, jobId)).some(({ complete }) => complete === 0)) {
    throw new MasterError('ERR_IN_USE', `the job ${String(jobId)} is not complete: abort it first`);
  }
  for (const table of ['farm_queue_entry', 'farm_job_label', 'farm_job_keyval'] as const) {
    await tx.deleteFrom(table).where('job_id', '=', jobId).execute();
  }
  await tx.deleteFrom('farm_job').where('id', '=', jobId).execute();
}

export async function setJobKeyval(tx: FarmWriter, jobId: number, key: string, value: string): Promise<void> {
  await findJob(tx, jobId);
  const { numUpdatedRows } = await tx
    .updateTable('farm_job_keyval')
    .set({ value })
    .where('job_id', '=', jobId)
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 0n) await insertKeyvals(tx, [{ id: jobId, keyvals: [[key, value]] }]);
}

export async function removeJobKeyval(tx: FarmWriter, jobId: number, key: string): Promise<void> {
  const { numDeletedRows } = await tx
    .deleteFrom('farm_job_keyval')
    .where('job_id', '=', jobId)
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
  if (numDeletedRows === 0n) throw new MasterError('ERR_NOT_FOUND', `the job ${String(jobId)} has no keyval '${key}'`);
}

async function findJob(db: FarmReader, jobId: number): Promise<JobRow> {
  const row = await db.selectFrom('farm_job').selectAll().where('id', '=', jobId).executeTakeFirst();
  return wanted('job', String(jobId), row);
}

async function checkParents(tx: FarmWriter, jobs: readonly CheckedJob[]): Promise<void> {
  const parents = new Set(jobs.map(({ parentJobId }) => parentJobId).filter(id => id !== null));
  const rows = await readByIds(parents, ids => tx.selectFrom('farm_job').select('id').where('id', 'in', ids).execute());
  const known = new Set(rows.map(({ id }) => id));
  for (const id of parents) wanted('job', String(id), known.has(id) || undefined);
}

async function insertEntries(
  tx: FarmWriter,
  jobs: readonly MadeJob[],
  labelId: (name: string) => number,
): Promise<void> {
  const entries = jobs.flatMap(job => job.entries.map(entry => ({ job_id: job.id, ...entry })));
  const hostnames = entries.map(({ host }) => host).filter(host => host !== undefined);
  const hostId = await idsByName(tx, 'host', hostnames);
  const nextId = await takeIds(tx, 'farm_queue_entry', entries.length);
  const rows = entries.map(({ job_id, host, metaHost }): QueueEntryRow => {
    return {
      id: nextId(),
      job_id,
      host_id: host === undefined ? null : hostId(host),
      meta_host: metaHost === undefined ? null : labelId(metaHost),
      ...QUEUED,
    };
  });
  await insertRows(tx, 'farm_queue_entry', rows);
}

async function insertKeyvals(tx: FarmWriter, jobs: readonly Pick<MadeJob, 'id' | 'keyvals'>[]): Promise<void> {
  const pairs = jobs.flatMap(job => job.keyvals.map(pair => ({ job_id: job.id, pair })));
  const nextId = await takeIds(tx, 'farm_job_keyval', pairs.length);
  const rows = pairs.map(({ job_id, pair: [key, value] }) => ({ id: nextId(), job_id, key, value }));
  await insertRows(tx, 'farm_job_keyval', rows);
}
