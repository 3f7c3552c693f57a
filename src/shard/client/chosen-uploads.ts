/**
 * What a shard tells of finished jobs: which they are, and that they need not be told again.
 *
 * A job is to be uploaded when its `shard_id` is null and an entry of it is complete (see `completeEntry`, which writes the
 * two bits). It stays so until the master has acknowledged all that is known of it by then.
 */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import type { Store } from '../../store/store.js';
import { chunksOf } from '../records/chunks.js';
import type { FarmTables, Flag, JobRow, QueueEntryRow } from '../records/farm-tables.js';
import { grouped } from '../records/grouped.js';
import type { FarmWriter } from '../records/rows.js';
import { entryRecords, type FarmReader, jobRecords } from '../records/serialize.js';

/** Jobs to upload, each with all of its entries. */
export interface Uploads {
  readonly jobs: readonly JobRow[];
  readonly entries: readonly QueueEntryRow[];
  /** All that are to be uploaded, those of later heartbeats too. */
  readonly allJobIds: readonly number[];
  /** To be uploaded, and left out: each alone is larger than all may be. */
  readonly tooLargeJobIds: readonly number[];
  /** Where the next upload begins; undefined where there is none yet. */
  readonly nextAfterJobId: number | undefined;
}

/** Jobs whose entries are read at once: there may be thousands of each, and few that fit. */
const JOBS_AT_ONCE = 100;

/** Where an upload begins, and how large it may be. */
export interface UploadLimits {
  readonly maxUploadJobs: number;
  readonly maxUploadBytes: number;
  /** From 0 to less than 1. */
  readonly random: () => number;
}

/**
 * As many as may be, by their ids, from the one after `afterJobId` on, and around: a master may never acknowledge some, which
 * it has removed, say, and those must not be all that it is ever told. Whoever does not know where the last upload ended, as
 * its process has just begun, begins anywhere: it may be one of many that make one heartbeat each.
 */
export async function chooseUploads(
  db: FarmReader,
  { maxUploadJobs, maxUploadBytes, random }: UploadLimits,
  afterJobId?: number,
): Promise<Uploads> {
  const all = await idsToUpload(db);
  const start = firstOf(all, afterJobId, random);
  const ids = [...all.slice(start), ...all.slice(0, start)].slice(0, maxUploadJobs);
  const chosen = {
    jobs: [] as JobRow[],
    entries: [] as QueueEntryRow[],
    allJobIds: all,
    tooLargeJobIds: [] as number[],
    nextAfterJobId: afterJobId,
  };
  let roomBytes = maxUploadBytes;
  for (let from = 0; from < ids.length; from += JOBS_AT_ONCE) {
    const some = ids.slice(from, from + JOBS_AT_ONCE);
    const entriesOf = byJob(await entryRecords(db, some));
    const jobs = new Map((await jobRecords(db, some)).map(job => [job.id, job]));
    for (const id of some) {
      const [job, entries] = [jobs.get(id), entriesOf.get(id) ?? []];
      if (job === undefined) continue;
      const bytes = Buffer.byteLength(JSON.stringify([job, entries]));
      if (bytes > maxUploadBytes) chosen.tooLargeJobIds.push(id);
      else if (bytes > roomBytes) return chosen;
      else {
        roomBytes -= bytes;
        chosen.jobs.push(job);
        for (const entry of entries) chosen.entries.push(entry);
      }
      chosen.nextAfterJobId = id;
    }
  }
  // All were there: another one is to be the first, as a master does not read to the end what is wrong throughout.
  if (ids.length < maxUploadJobs) chosen.nextAfterJobId = ids[0] ?? afterJobId;
  return chosen;
}

/** Its place in the list. */
function firstOf(ids: readonly number[], afterJobId: number | undefined, random: () => number): number {
  if (afterJobId === undefined) return ids.length > 1 ? Math.floor(random() * ids.length) : 0;
  const next = ids.findIndex(id => id > afterJobId);
  return Math.max(0, next);
}

/** In their order. */
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

/**
 * Gives jobs that were uploaded and acknowledged back to this shard, and gives their ids. A job of which more has become
 * known since it was read, or is about to, is uploaded again.
 */
export async function markUploaded(
  farm: Store<FarmTables>,
  shardHostname: string,
  uploads: Uploads,
  acknowledgedJobIds: readonly number[],
): Promise<number[]> {
  const acknowledged = new Set(acknowledgedJobIds);
  const ids = uploads.jobs.map(job => job.id).filter(id => acknowledged.has(id));
  if (ids.length === 0) return [];
  const sent = byJob(uploads.entries);
  return farm.readWrite(
    'mark uploaded',
    async tx => {
      const now = byJob(await entryRecords(tx, ids));
      const settled = ids.filter(id => {
        const entries = now.get(id) ?? [];
        return isDeepStrictEqual(entries, sent.get(id) ?? []) && !entries.some(isBeingCompleted);
      });
      // Absent until the first host or job has come: the jobs are uploaded again then.
      const shardId = await ownShardId(tx, shardHostname);
      if (shardId === undefined) return [];
      for (const chunk of chunksOf(settled)) {
        await tx.updateTable('farm_job').set({ shard_id: shardId }).where('id', 'in', chunk).execute();
      }
      return settled;
    },
    { repeatable: true },
  );
}

/**
 * Of these jobs, those that are finished here are to be uploaded again; gives the ids of those that were not already. One
 * that is not complete is uploaded by the end of its next entry: it was sent for that to come.
 */
export async function uploadAgain(farm: Store<FarmTables>, jobIds: readonly number[]): Promise<number[]> {
  if (jobIds.length === 0) return [];
  return farm.readWrite(
    'upload again',
    async tx => {
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
    },
    { repeatable: true },
  );
}

/** Its outcome is written, and its job is or will be given to the upload; were it taken back now, nobody would give it again. */
function isBeingCompleted(entry: QueueEntryRow): boolean {
  return entry.complete === 0 && entry.finished_on !== null;
}

async function ownShardId(tx: FarmWriter, shardHostname: string): Promise<number | undefined> {
  const row = await tx.selectFrom('farm_shard').select('id').where('hostname', '=', shardHostname).executeTakeFirst();
  return row?.id;
}

function byJob(entries: readonly QueueEntryRow[]): Map<number, QueueEntryRow[]> {
  return grouped(entries.map(entry => [entry.job_id, entry]));
}
