/**
 * Uploads of finished jobs. A job is to be uploaded while its `shard_id` is null and one of its entries is complete
 * (`completeEntry` writes both), until the master has acknowledged all that the shard knows of it.
 */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import type { Store } from '../../store/store.js';
import { chunksOf, piecesOf } from '../records/chunks.js';
import { type FarmReader, write } from '../records/farm-store.js';
import type { FarmTables, Flag, JobRow, QueueEntryRow } from '../records/farm-tables.js';
import { groupedBy, inOrderOf } from '../records/grouped.js';
import { entryRecords, jobRecords } from '../records/serialize.js';
import type { UploadSize } from './upload-size.js';

/** Jobs to upload, each with all of its entries. */
export interface Uploads {
  readonly jobs: readonly JobRow[];
  readonly entries: readonly QueueEntryRow[];
  /** Of JSON. */
  readonly bytes: number;
  /** All jobs to upload, also with later heartbeats. */
  readonly allJobIds: readonly number[];
  /** Left out: each exceeds `maxUploadBytes` alone. */
  readonly tooLargeJobIds: readonly number[];
  /** Left out: each was refused alone with status 413. */
  readonly refusedJobIds: readonly number[];
  /** The next upload starts after this job; undefined before the first upload. */
  readonly nextAfterJobId: number | undefined;
}

/** Jobs whose entries are read at once: of thousands only few may fit. */
const JOBS_AT_ONCE = 100;

interface UploadLimits {
  readonly maxUploadJobs: number;
  readonly maxUploadBytes: number;
  /** From 0 to less than 1. */
  readonly random: () => number;
}

/** No uploads, as in a heartbeat that only asks for work. */
export function withoutUploads(uploads: Uploads): Uploads {
  return { ...uploads, jobs: [], entries: [], bytes: 0 };
}

/**
 * As many jobs as fit into `size`, or one that exceeds it, by id, from the one after `afterJobId` and then from the first: jobs that a master never acknowledges
 * must not block the others. Without `afterJobId` it starts at random, as each process may make just one heartbeat.
 */
export async function chooseUploads(
  db: FarmReader,
  { maxUploadJobs, maxUploadBytes, random }: UploadLimits,
  size: UploadSize,
  afterJobId?: number,
): Promise<Uploads> {
  const all = await idsToUpload(db);
  const start = startIn(all, afterJobId, random);
  const ids = [...all.slice(start), ...all.slice(0, start)].slice(0, maxUploadJobs);
  const chosen = {
    jobs: [] as JobRow[],
    entries: [] as QueueEntryRow[],
    bytes: 0,
    allJobIds: all,
    tooLargeJobIds: [] as number[],
    refusedJobIds: [] as number[],
    nextAfterJobId: afterJobId,
  };
  for (const some of piecesOf(ids, JOBS_AT_ONCE)) {
    const entriesOf = groupedBy(await entryRecords(db, some), 'job_id');
    for (const job of inOrderOf(some, await jobRecords(db, some))) {
      const { id } = job;
      const entries = entriesOf.get(id) ?? [];
      const bytes = Buffer.byteLength(JSON.stringify([job, entries]));
      if (bytes > maxUploadBytes) chosen.tooLargeJobIds.push(id);
      else if (size.leavesOut(id, bytes)) chosen.refusedJobIds.push(id);
      else if (chosen.jobs.length > 0 && chosen.bytes + bytes > size.limitBytes) return chosen;
      else {
        chosen.bytes += bytes;
        chosen.jobs.push(job);
        for (const entry of entries) chosen.entries.push(entry);
      }
      chosen.nextAfterJobId = id;
    }
  }
  // All fit. The next upload starts elsewhere, since a master stops reading a packet with too many bad records.
  if (ids.length < maxUploadJobs) chosen.nextAfterJobId = ids[0] ?? afterJobId;
  return chosen;
}

function startIn(ids: readonly number[], afterJobId: number | undefined, random: () => number): number {
  if (afterJobId === undefined) return ids.length > 1 ? Math.floor(random() * ids.length) : 0;
  const next = ids.findIndex(id => id > afterJobId);
  return Math.max(0, next);
}

async function idsToUpload(db: FarmReader): Promise<number[]> {
  const jobs = await db
    .selectFrom('farm_job')
    .select('farm_job.id')
    .where('farm_job.shard_id', 'is', null)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('farm_queue_entry as entry')
          .select('entry.id')
          .whereRef('entry.job_id', '=', 'farm_job.id')
          .where('entry.complete', '=', 1),
      ),
    )
    .orderBy('farm_job.id')
    .execute();
  return jobs.map(job => job.id);
}

/** Settles acknowledged jobs and resolves with their ids. A job that has changed since, or is about to, is uploaded again. */
export async function markUploaded(
  farm: Store<FarmTables>,
  shardHostname: string,
  uploads: Uploads,
  acknowledgedJobIds: readonly number[],
): Promise<number[]> {
  const acknowledged = new Set(acknowledgedJobIds);
  const ids = uploads.jobs.map(job => job.id).filter(id => acknowledged.has(id));
  if (ids.length === 0) return [];
  const sent = groupedBy(uploads.entries, 'job_id');
  return write(farm, 'mark uploaded', async tx => {
    const now = groupedBy(await entryRecords(tx, ids), 'job_id');
    const settled = ids.filter(id => {
      const entries = now.get(id) ?? [];
      return isDeepStrictEqual(entries, sent.get(id) ?? []) && !entries.some(isBeingCompleted);
    });
    // Absent until the first host or job comes; the jobs are uploaded again then.
    const own = await tx.selectFrom('farm_shard').select('id').where('hostname', '=', shardHostname).executeTakeFirst();
    if (own === undefined) return [];
    for (const chunk of chunksOf(settled)) {
      await tx.updateTable('farm_job').set({ shard_id: own.id }).where('id', 'in', chunk).execute();
    }
    return settled;
  });
}

/**
 * Marks those of these jobs that are finished here for another upload; resolves with the ids of newly marked ones. The end of
 * its next entry uploads a job that is not finished.
 */
export async function uploadAgain(farm: Store<FarmTables>, jobIds: readonly number[]): Promise<number[]> {
  if (jobIds.length === 0) return [];
  return write(farm, 'upload again', async tx => {
    const again: number[] = [];
    for (const chunk of chunksOf(jobIds)) {
      const finished = await tx
        .selectFrom('farm_queue_entry as entry')
        .innerJoin('farm_job as job', 'job.id', 'entry.job_id')
        .select('job.id')
        .distinct()
        .where('job.id', 'in', chunk)
        .where('job.shard_id', 'is not', null)
        .where('entry.complete', '=', 1)
        .where(({ exists, not, selectFrom }) =>
          not(
            exists(
              selectFrom('farm_queue_entry as open')
                .select('open.id')
                .whereRef('open.job_id', '=', 'job.id')
                .where('open.complete', '=', sql<Flag>`0`),
            ),
          ),
        )
        .execute();
      const ids = finished.map(job => job.id);
      if (ids.length === 0) continue;
      await tx.updateTable('farm_job').set({ shard_id: null }).where('id', 'in', ids).execute();
      again.push(...ids);
    }
    return again.sort((a, b) => a - b);
  });
}

/** `completeEntry` is between its steps: settling the job now would cancel its upload. */
function isBeingCompleted(entry: QueueEntryRow): boolean {
  return entry.complete === 0 && entry.finished_on !== null;
}
