/**
 * Assigns hosts and jobs to a shard by the labels that the master has.
 *
 * - A host goes to the shard that has one of its labels, unless it is leased or known to the shard. A shard that had it
 *   before learns from its next heartbeat that the host is gone. With labels of several shards it stays where it is.
 * - A host without a label of its shard and without an open entry there is taken back with the shard's heartbeat.
 * - A job goes to the shard that has one of its labels, the label of a meta host, or a label of a host that an entry names,
 *   and stays there. It is sent until the shard knows it, unless an entry is active or complete, or none needs a host.
 *   A known job without a shard (its shard was removed by force and created again) becomes the shard's again.
 * - A known job is sent again while all of its open entries are to be aborted.
 *
 * Records that a shard cannot take over, and aborts that it cannot obey, are sent again and again. So that they block no
 * others, a reply that cannot hold all starts at a random place; with new jobs, sorted by priority, only some replies do.
 *
 * All of it happens in the section that makes the reply. A process that changes a shard's label meanwhile writes a row that
 * is written here too: one of the two is retried (PostgreSQL) or waits (SQLite).
 */
import { type RawBuilder, sql } from 'kysely';
import { chunksOf, readByIds } from '../records/chunks.js';
import type { FarmWriter } from '../records/farm-store.js';
import type { JobRow } from '../records/farm-tables.js';
import { freeHosts } from './freed-hosts.js';

/** Ids in a shard's packet. */
interface Known {
  readonly hostIds: ReadonlySet<number>;
  readonly jobIds: ReadonlySet<number>;
  /** Hosts with an open entry on the shard; undefined from an older shard, which does not report them. */
  readonly busyHostIds: ReadonlySet<number> | undefined;
}

/** Limits of one reply; the rest follows with the next heartbeats. */
interface AssignmentLimits {
  readonly maxHostsPerReply: number;
  readonly maxJobsPerReply: number;
  /** From 0 to less than 1. */
  readonly random: () => number;
}

/** The shard's hosts and jobs to send, in the order of sending. */
export interface Assignment {
  readonly hostIds: number[];
  readonly newJobIds: number[];
  readonly abortedJobIds: number[];
  /** Hosts that it knows but that are missing or not assigned to it. */
  readonly incorrectHostIds: number[];
}

/** The share of replies, of those whose new jobs exceed the limit, that take jobs by priority. */
const PART_BY_PRIORITY = 0.75;

export async function assign(
  tx: FarmWriter,
  shardId: number,
  known: Known,
  limits: AssignmentLimits,
): Promise<Assignment> {
  const { maxHostsPerReply, random } = limits;
  const newHosts = (await hostsWithLabels(tx, shardId)).filter(id => !known.hostIds.has(id));
  const hostIds = someOf(newHosts, maxHostsPerReply, random);
  const waiting = await waitingJobs(tx, shardId);
  const unknown = waiting.filter(({ id }) => !known.jobIds.has(id)).map(({ id }) => id);
  const newJobIds = someByPriority(unknown, limits);
  const unassigned = waiting
    .filter(({ id, shard_id }) => shard_id === null && known.jobIds.has(id))
    .map(({ id }) => id);
  const aborted = (await abortedJobs(tx, shardId)).filter(id => known.jobIds.has(id));
  if (hostIds.length + newJobIds.length + unassigned.length > 0) await holdLabels(tx, shardId);
  await takeJobs(tx, shardId, unassigned);
  const takenHostIds = await takeHosts(tx, shardId, hostIds);
  const takenJobIds = await takeJobs(tx, shardId, newJobIds);
  // After the jobs are taken, which may name hosts.
  if (known.busyHostIds !== undefined) await freeHosts(tx, shardId, known.busyHostIds);
  return {
    hostIds: takenHostIds,
    newJobIds: takenJobIds,
    abortedJobIds: someOf(aborted, limits.maxJobsPerReply, random),
    incorrectHostIds: await incorrectHosts(tx, shardId, known.hostIds),
  };
}

/** Usually the first ones; sometimes from a random place. */
function someByPriority(jobIds: readonly number[], { maxJobsPerReply, random }: AssignmentLimits): number[] {
  const isByPriority = jobIds.length <= maxJobsPerReply || random() < PART_BY_PRIORITY;
  return isByPriority ? jobIds.slice(0, maxJobsPerReply) : someOf(jobIds, maxJobsPerReply, random);
}

/** From a random one on, continuing at the start, if there are too many. */
function someOf(ids: readonly number[], count: number, random: () => number): number[] {
  const start = ids.length > count ? Math.floor(random() * ids.length) : 0;
  return [...ids.slice(start), ...ids.slice(0, start)].slice(0, count);
}

const labelsOf = (shardId: number): RawBuilder<number> =>
  sql`(SELECT label_id FROM farm_shard_label WHERE shard_id = ${shardId})`;

/** Hosts with one of its labels, except those that stay with another shard by a label of that shard. */
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

/** A condition on `farm_host`. */
const isFree = (shardId: number): RawBuilder<boolean> => sql`leased = 0 AND invalid = 0 AND id IN ${hostsOf(shardId)}`;

/**
 * A condition on an open `entry`. The numbers are literal: with bound ones, SQLite does not use the partial index of open
 * entries.
 */
const WAITS = sql<boolean>`entry.complete = 0 AND entry.active = 0
  AND (entry.host_id IS NOT NULL OR entry.meta_host IS NOT NULL)
  AND NOT EXISTS (
    SELECT 1 FROM farm_queue_entry AS other
    WHERE other.job_id = entry.job_id AND (other.complete = 1 OR other.active = 1)
  )`;

/** A condition on `entry`. */
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
  return assignedOf(tx, 'farm_host', shardId, hostIds);
}

async function incorrectHosts(tx: FarmWriter, shardId: number, hostIds: ReadonlySet<number>): Promise<number[]> {
  // Reads all that it has: a packet may list a hundred times as many.
  const own = await tx.selectFrom('farm_host').select('id').where('shard_id', '=', shardId).execute();
  const correct = new Set(own.map(({ id }) => id));
  return [...hostIds].filter(id => !correct.has(id));
}

/** From entries to their jobs: only a cross join keeps SQLite from starting with all jobs of the shard. */
function entriesWithJob(tx: FarmWriter) {
  return tx
    .selectFrom('farm_queue_entry as entry')
    .crossJoin('farm_job as job')
    .whereRef('job.id', '=', 'entry.job_id');
}

/** By priority, the oldest first. */
async function waitingJobs(tx: FarmWriter, shardId: number): Promise<Pick<JobRow, 'id' | 'shard_id'>[]> {
  const waiting = await entriesWithJob(tx)
    .select(['job.id', 'job.priority', 'job.shard_id'])
    .distinct()
    .where(WAITS)
    .where(sql<boolean>`(job.shard_id = ${shardId} OR (job.shard_id IS NULL AND ${isFor(shardId)}))`)
    .execute();
  return waiting.sort((a, b) => b.priority - a.priority || a.id - b.id);
}

/** Jobs of the shard whose open entries are all aborted. */
async function abortedJobs(tx: FarmWriter, shardId: number): Promise<number[]> {
  const aborted = await entriesWithJob(tx)
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
  return assignedOf(tx, 'farm_job', shardId, jobIds);
}

/** Those of `ids` that are the shard's, in their order. */
async function assignedOf(
  tx: FarmWriter,
  table: 'farm_host' | 'farm_job',
  shardId: number,
  ids: readonly number[],
): Promise<number[]> {
  const rows = await readByIds(ids, some =>
    tx.selectFrom(table).select('id').where('id', 'in', some).where('shard_id', '=', shardId).execute(),
  );
  const assigned = new Set(rows.map(({ id }) => id));
  return ids.filter(id => assigned.has(id));
}

/** Conflicts with a process that takes a label from the shard: see above. */
async function holdLabels(tx: FarmWriter, shardId: number): Promise<void> {
  await tx.updateTable('farm_shard_label').set({ shard_id: shardId }).where('shard_id', '=', shardId).execute();
}
