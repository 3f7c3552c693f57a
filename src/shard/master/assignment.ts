/**
 * Which hosts and jobs a shard is handed, by its labels: only the master's labels count.
 *
 * - A host goes to the shard that has one of its labels, unless it is leased or the shard knows it already; also when it
 *   was another shard's before, which is told with its next heartbeat that the host is not its any more.
 * - A job goes to the shard that has one of its labels, the label of a meta host, or a label of a host that an entry names,
 *   and stays that shard's from then on. It is sent until the shard knows it, and again while it is to be aborted; not when
 *   anything of it is active or complete, nor when none of its entries needs a host.
 *
 * All in the section that also makes the reply. Another process may write as well: who changes a label of a shard meanwhile
 * writes a row that is written here, too, so that one of the two is tried again (PostgreSQL), or has waited (SQLite).
 */
import { type RawBuilder, sql } from 'kysely';
import { byIds, chunksOf } from '../chunks.js';
import type { FarmWriter } from '../rows.js';

/** What a shard says that it has. */
export interface Known {
  readonly hostIds: ReadonlySet<number>;
  readonly jobIds: ReadonlySet<number>;
}

/** How much is handed out at once; the rest with the next heartbeats. */
export interface AssignmentLimits {
  readonly maxHostsPerReply: number;
  readonly maxJobsPerReply: number;
  /** From 0 to less than 1. */
  readonly random: () => number;
}

/** What is the shard's, and is sent to it. */
export interface Assignment {
  readonly hostIds: number[];
  readonly jobIds: number[];
  /** Hosts that it knows, and that are not its, or not there. */
  readonly incorrectHostIds: number[];
}

export async function assign(
  tx: FarmWriter,
  shardId: number,
  known: Known,
  limits: AssignmentLimits,
): Promise<Assignment> {
  const hostIds = (await hostsWithLabels(tx, shardId)).filter(id => !known.hostIds.has(id));
  const newHostIds = hostIds.slice(0, limits.maxHostsPerReply);
  const { newJobIds, sentAgainIds } = await jobsToSend(tx, shardId, known.jobIds, limits);
  if (newHostIds.length + newJobIds.length > 0) await holdLabels(tx, shardId);
  return {
    hostIds: await takeHosts(tx, shardId, newHostIds),
    jobIds: await takeJobs(tx, shardId, [...newJobIds, ...sentAgainIds]),
    incorrectHostIds: await incorrectHosts(tx, shardId, known.hostIds),
  };
}

const labelsOf = (shardId: number): RawBuilder<number> =>
  sql`(SELECT label_id FROM farm_shard_label WHERE shard_id = ${shardId})`;

const hostsOf = (shardId: number): RawBuilder<number> =>
  sql`(SELECT host_id FROM farm_host_label WHERE label_id IN ${labelsOf(shardId)})`;

/** Of `farm_host`. */
const isFree = (shardId: number): RawBuilder<boolean> => sql`leased = 0 AND invalid = 0 AND id IN ${hostsOf(shardId)}`;

/**
 * Of `entry`, an open one. The numbers are written out: with parameters in their place SQLite would not see that an index
 * of what is open has all of them.
 */
const WAITS = sql<boolean>`entry.complete = 0 AND entry.active = 0
  AND (entry.host_id IS NOT NULL OR entry.meta_host IS NOT NULL)
  AND NOT EXISTS (
    SELECT 1 FROM farm_queue_entry AS other
    WHERE other.job_id = entry.job_id AND (other.complete = 1 OR other.active = 1)
  )`;

/** Of `entry`. */
const isFor = (shardId: number): RawBuilder<boolean> => sql`(
    entry.meta_host IN ${labelsOf(shardId)}
    OR (entry.meta_host IS NULL AND entry.host_id IN ${hostsOf(shardId)})
    OR EXISTS (
      SELECT 1 FROM farm_job_label AS needed
      WHERE needed.job_id = entry.job_id AND needed.label_id IN ${labelsOf(shardId)}
    )
  )`;

async function hostsWithLabels(tx: FarmWriter, shardId: number): Promise<number[]> {
  const rows = await tx.selectFrom('farm_host').select('id').where(isFree(shardId)).orderBy('id').execute();
  return rows.map(({ id }) => id);
}

async function takeHosts(tx: FarmWriter, shardId: number, hostIds: readonly number[]): Promise<number[]> {
  for (const ids of chunksOf(hostIds)) {
    await tx
      .updateTable('farm_host')
      .set({ shard_id: shardId })
      .where('id', 'in', ids)
      .where(isFree(shardId))
      .execute();
  }
  return hostsOfShard(tx, shardId, hostIds);
}

async function hostsOfShard(tx: FarmWriter, shardId: number, hostIds: Iterable<number>): Promise<number[]> {
  const rows = await byIds(hostIds, ids =>
    tx.selectFrom('farm_host').select('id').where('id', 'in', ids).where('shard_id', '=', shardId).execute(),
  );
  return rows.map(({ id }) => id);
}

async function incorrectHosts(tx: FarmWriter, shardId: number, hostIds: ReadonlySet<number>): Promise<number[]> {
  const correct = new Set(await hostsOfShard(tx, shardId, hostIds));
  return [...hostIds].filter(id => !correct.has(id));
}

interface JobsToSend {
  readonly newJobIds: number[];
  /** The shard's already, as it says: they are to be aborted. */
  readonly sentAgainIds: number[];
}

/** Of the new ones those with the highest priority first, of the same the oldest. */
async function jobsToSend(
  tx: FarmWriter,
  shardId: number,
  knownIds: ReadonlySet<number>,
  { maxJobsPerReply, random }: AssignmentLimits,
): Promise<JobsToSend> {
  const waiting = await tx
    .selectFrom('farm_queue_entry as entry')
    // From what is open to its jobs: a cross join is what keeps SQLite from beginning with all jobs of the shard.
    .crossJoin('farm_job as job')
    .whereRef('job.id', '=', 'entry.job_id')
    .select(['job.id', 'job.priority', 'entry.aborted'])
    .where(WAITS)
    .where(sql<boolean>`(job.shard_id = ${shardId} OR (job.shard_id IS NULL AND ${isFor(shardId)}))`)
    .execute();
  waiting.sort((a, b) => b.priority - a.priority || a.id - b.id);
  const fresh = new Set<number>();
  const aborted = new Set<number>();
  for (const { id, aborted: isAborted } of waiting) {
    if (!knownIds.has(id)) fresh.add(id);
    else if (isAborted === 1) aborted.add(id);
  }
  const running = await byIds(aborted, ids =>
    tx
      .selectFrom('farm_queue_entry')
      .select('job_id')
      .distinct()
      .where('job_id', 'in', ids)
      .where('aborted', '=', 0)
      .execute(),
  );
  for (const { job_id } of running) aborted.delete(job_id);
  return {
    newJobIds: [...fresh].slice(0, maxJobsPerReply),
    sentAgainIds: someOf([...aborted], maxJobsPerReply, random),
  };
}

/** Each in its turn, sooner or later: those that never end must not keep the others from being told. */
function someOf(ids: readonly number[], count: number, random: () => number): number[] {
  const start = ids.length > count ? Math.floor(random() * ids.length) : 0;
  return [...ids.slice(start), ...ids.slice(0, start)].slice(0, count);
}

async function takeJobs(tx: FarmWriter, shardId: number, jobIds: readonly number[]): Promise<number[]> {
  for (const ids of chunksOf(jobIds)) {
    await tx
      .updateTable('farm_job')
      .set({ shard_id: shardId })
      .where('id', 'in', ids)
      .where('shard_id', 'is', null)
      .where(
        sql<boolean>`EXISTS (
          SELECT 1 FROM farm_queue_entry AS entry
          WHERE entry.job_id = farm_job.id AND ${WAITS} AND ${isFor(shardId)}
        )`,
      )
      .execute();
  }
  const rows = await byIds(jobIds, ids =>
    tx.selectFrom('farm_job').select('id').where('id', 'in', ids).where('shard_id', '=', shardId).execute(),
  );
  return rows.map(({ id }) => id);
}

/** See above: a label that is taken from the shard by somebody else waits for this section, or this one begins anew. */
async function holdLabels(tx: FarmWriter, shardId: number): Promise<void> {
  await tx.updateTable('farm_shard_label').set({ shard_id: shardId }).where('shard_id', '=', shardId).execute();
}
