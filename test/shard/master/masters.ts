/** Masters for tests, with shards, labels, hosts and jobs, and what a shard says to them. */
import {
  type FarmTables,
  HEARTBEAT_VERSION,
  type HeartbeatPacket,
  type HeartbeatReply,
  type HostRow,
  type JobRow,
  type QueueEntryRow,
  ShardMaster,
  type ShardMasterOptions,
} from 'drone-task-queue/shard';
import type { Store, StoreOptions } from 'drone-task-queue/store';
import { openFarm } from '../farm.js';

export interface Farm extends AsyncDisposable {
  readonly store: Store<FarmTables>;
  readonly master: ShardMaster<FarmTables>;
}

/** A master in an empty database, which knows of nothing. */
export async function openMaster(place: StoreOptions, options: ShardMasterOptions = {}): Promise<Farm> {
  const store = await openFarm(place);
  const master = new ShardMaster(store, options);
  return { store, master, [Symbol.asyncDispose]: () => store.close() };
}

/** Labels of these names, and a shard for each, which has it. */
export async function addShards(master: ShardMaster<FarmTables>, shards: Record<string, string>): Promise<void> {
  for (const [hostname, label] of Object.entries(shards)) {
    await master.createLabel(label);
    await master.createShard({ hostname, labels: [label] });
  }
}

export function packetOf(shardHostname: string, told: Partial<HeartbeatPacket> = {}): HeartbeatPacket {
  return { version: HEARTBEAT_VERSION, shardHostname, knownJobIds: [], knownHosts: [], jobs: [], entries: [], ...told };
}

/** A heartbeat as it is after its way over a wire. */
export async function heartbeat(
  { master }: Pick<Farm, 'master'>,
  shardHostname: string,
  told: Partial<HeartbeatPacket> = {},
): Promise<HeartbeatReply> {
  const packet = JSON.parse(JSON.stringify(packetOf(shardHostname, told))) as HeartbeatPacket;
  return JSON.parse(JSON.stringify(await master.heartbeat(shardHostname, packet))) as HeartbeatReply;
}

export function idsOf(records: readonly unknown[]): number[] {
  return records.map(record => (record as { id: number }).id);
}

export async function jobOf({ store }: Farm, id: number): Promise<JobRow> {
  const row = await store.read(db =>
    db.selectFrom('farm_job').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
  );
  return { ...row };
}

export async function hostOf({ store }: Farm, hostname: string): Promise<HostRow> {
  const row = await store.read(db =>
    db
      .selectFrom('farm_host')
      .selectAll()
      .where('hostname', '=', hostname)
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow(),
  );
  return { ...row };
}

/** Hostname of the shard that a job or host is assigned to. */
export async function shardOf({ store }: Farm, { shard_id }: { shard_id: number | null }): Promise<string | null> {
  if (shard_id === null) return null;
  const { hostname } = await store.read(db =>
    db.selectFrom('farm_shard').select('hostname').where('id', '=', shard_id).executeTakeFirstOrThrow(),
  );
  return hostname;
}

/** The entries of a job as a shard uploads them, changed. */
export async function entriesOf(
  { master }: Farm,
  jobId: number,
  news: Partial<QueueEntryRow> = {},
): Promise<QueueEntryRow[]> {
  return (await master.listEntries(jobId)).map(entry => ({ ...entry, ...news }));
}

export const COMPLETED = {
  status: 'Completed',
  active: 0,
  complete: 1,
  finished_on: '2026-01-01T00:00:00.000Z',
} as const satisfies Partial<QueueEntryRow>;

/** A job as a shard uploads it, with all of its entries, each with this news. */
export async function uploadOf(
  farm: Farm,
  jobId: number,
  news: Partial<QueueEntryRow> = COMPLETED,
): Promise<Pick<HeartbeatPacket, 'jobs' | 'entries'>> {
  return { jobs: [{ ...(await jobOf(farm, jobId)), shard_id: null }], entries: await entriesOf(farm, jobId, news) };
}
