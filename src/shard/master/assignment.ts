/**
 * Which hosts and jobs a shard is handed, by its labels: only the master's labels count.
 *
 * - A host goes to the shard that has one of its labels, unless it is leased or the shard knows it already; also when it
 *   was another shard's before, which is told with its next heartbeat that the host is not its any more. One that carries
 *   labels of several shards stays with the one that has it.
 * - A job goes to the shard that has one of its labels, the label of a meta host, or a label of a host that an entry names,
 *   and stays that shard's from then on. It is sent until the shard knows it; not when anything of it is active or complete,
 *   nor when none of its entries needs a host.
 *   One that the shard knows and that is nobody's, as the shard was removed by force and made anew, becomes its again.
 * - A job that the shard knows is sent again while all that is open of it is to be aborted, whatever else has become of it.
 *
 * What is sent and stays unknown, as it cannot be taken over, is sent again and again, and so is an abort that nobody can
 * obey. So that nothing else waits for them for ever, a reply that cannot have all begins anywhere; with new jobs, which go
 * by their priorities, some of the replies do.
 *
 * All in the section that also makes the reply. Another process may write as well: who changes a label of a shard meanwhile
 * writes a row that is written here, too, so that one of the two is tried again (PostgreSQL), or has waited (SQLite).
 */
import { type RawBuilder, sql } from 'kysely';
import { byIds, chunksOf } from '../records/chunks.js';
import type { JobRow } from '../records/farm-tables.js';
import type { FarmWriter } from '../records/rows.js';

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

/** What is the shard's, and is sent to it, each in the order in which it is to be sent. */
export interface Assignment {
  readonly hostIds: number[];
  readonly newJobIds: number[];
  readonly abortedJobIds: number[];
  /** Hosts that it knows, and that are not its, or not there. */
  readonly incorrectHostIds: number[];
}

/** Of replies that have more new jobs to send than they may. */
const PART_BY_PRIORITY = 0.75;

export async function assign(
  tx: FarmWriter,
  shardId: number,
  known: Known,
  limits: AssignmentLimits,
): Promise<Assignment> {
  const { maxHostsPerReply, random } = limits;
  const freeHosts = (await hostsWithLabels(tx, shardId)).filter(id => !known.hostIds.has(id));
  const hostIds = someOf(freeHosts, maxHostsPerReply, random);
  const waiting = await waitingJobs(tx, shardId);
  const unknown = waiting.filter(({ id }) => !known.jobIds.has(id)).map(({ id }) => id);
  const newJobIds = someByPriority(unknown, limits);
  const unassigned = waiting
    .filter(({ id, shard_id }) => shard_id === null && known.jobIds.has(id))
    .map(({ id }) => id);
  const aborted = (await abortedJobs(tx, shardId)).filter(id => known.jobIds.has(id));
  if (hostIds.length + newJobIds.length + unassigned.length > 0) await holdLabels(tx, shardId);
  await takeJobs(tx, shardId, unassigned);
  return {
    hostIds: await takeHosts(tx, shardId, hostIds),
    newJobIds: await takeJobs(tx, shardId, newJobIds),
    abortedJobIds: someOf(aborted, limits.maxJobsPerReply, random),
    incorrectHostIds: await incorrectHosts(tx, shardId, known.hostIds),
  };
}

/** The first ones most of the time. */
function someByPriority(jobIds: readonly number[], { maxJobsPerReply, random }: AssignmentLimits): number[] {
  const isByPriority = jobIds.length <= maxJobsPerReply || random() < PART_BY_PRIORITY;
  return isByPriority ? jobIds.slice(0, maxJobsPerReply) : someOf(jobIds, maxJobsPerReply, random);
}

/** From any one on, and around. */
function someOf(ids: readonly number[], count: number, random: () => number): number[] {
  const start = ids.length > count ? Math.floor(random() * ids.length) : 0;
  return [...ids.slice(start), ...ids.slice(0, start)].slice(0, count);
}

const labelsOf = (shardId: number): RawBuilder<number> =>
  sql`(SELECT label_id FROM farm_shard_label WHERE shard_id = ${shardId})`;

/** Hosts that carry one of its labels, but for those that another shard has, and has a label of. */
const hostsOf = (shardId: number): RawBuilder<number> =>
  sql`(
    SELECT carries.host_id FROM farm_host_label AS carries
    WHERE carries.label_id IN ${labelsOf(shardId)} AND NOT EXISTS (
      SELECT 1 FROM farm_host AS held
        JOIN farm_host_label AS link ON link.host_id = held.id
        JOIN farm_shard_label AS holder ON holder.label_id = link.label_id AND holder.shard_id = held.shard_id
      WHERE held.id = carries.host_id AND held.shard_id <> ${shardId}
    )
  )`;

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
  const rows = await byIds(hostIds, ids =>
    tx.selectFrom('farm_host').select('id').where('id', 'in', ids).where('shard_id', '=', shardId).execute(),
  );
  const taken = new Set(rows.map(({ id }) => id));
  return hostIds.filter(id => taken.has(id));
}

async function incorrectHosts(tx: FarmWriter, shardId: number, hostIds: ReadonlySet<number>): Promise<number[]> {
  // All that it has: a packet may list a hundred times as many.
  const own = await tx.selectFrom('farm_host').select('id').where('shard_id', '=', shardId).execute();
  const correct = new Set(own.map(({ id }) => id));
  return [...hostIds].filter(id => !correct.has(id));
}

/** Those with the highest priority first, of the same the oldest. */
async function waitingJobs(tx: FarmWriter, shardId: number): Promise<Pick<JobRow, 'id' | 'shard_id'>[]> {
  const waiting = await tx
    .selectFrom('farm_queue_entry as entry')
    // From what is open to its jobs: a cross join is what keeps SQLite from beginning with all jobs of the shard.
    .crossJoin('farm_job as job')
    .whereRef('job.id', '=', 'entry.job_id')
    .select(['job.id', 'job.priority', 'job.shard_id'])
    .distinct()
    .where(WAITS)
    .where(sql<boolean>`(job.shard_id = ${shardId} OR (job.shard_id IS NULL AND ${isFor(shardId)}))`)
    .execute();
  return waiting.sort((a, b) => b.priority - a.priority || a.id - b.id);
}

/** Jobs of the shard of which all that is open is to end. */
async function abortedJobs(tx: FarmWriter, shardId: number): Promise<number[]> {
  const aborted = await tx
    .selectFrom('farm_queue_entry as entry')
    .crossJoin('farm_job as job')
    .whereRef('job.id', '=', 'entry.job_id')
    .select('job.id')
    .distinct()
    .where('job.shard_id', '=', shardId)
    .where(
      sql<boolean>`entry.complete = 0 AND entry.aborted = 1 AND NOT EXISTS (
        SELECT 1 FROM farm_queue_entry AS other
        WHERE other.job_id = entry.job_id AND other.complete = 0 AND other.aborted = 0
      )`,
    )
    .orderBy('job.id')
    .execute();
  return aborted.map(({ id }) => id);
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
  const taken = new Set(rows.map(({ id }) => id));
  return jobIds.filter(id => taken.has(id));
}

/** See above: a label that is taken from the shard by somebody else waits for this section, or this one begins anew. */
async function holdLabels(tx: FarmWriter, shardId: number): Promise<void> {
  await tx.updateTable('farm_shard_label').set({ shard_id: shardId }).where('shard_id', '=', shardId).execute();
}
