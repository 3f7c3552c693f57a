/** A heartbeat's packet: the state of this shard at one moment. */
import { sql } from 'kysely';
import type { FarmReader } from '../records/farm-store.js';
import type { Flag } from '../records/farm-tables.js';
import { HEARTBEAT_VERSION, type HeartbeatPacket } from '../wire/heartbeat.js';
import type { Uploads } from './chosen-uploads.js';

export async function packetOf(db: FarmReader, shardHostname: string, uploads: Uploads): Promise<HeartbeatPacket> {
  const openJobs = await db
    .selectFrom('farm_queue_entry')
    .select('job_id')
    .distinct()
    // A literal: for a bound 0, SQLite does not use the partial index of open entries.
    .where('complete', '=', sql<Flag>`0`)
    .orderBy('job_id')
    .execute();
  // Uploads too, or the master would send them until it has them. Not acknowledged jobs: a master that sends one has lost
  // its upload.
  const knownJobIds = new Set([...openJobs.map(job => job.job_id), ...uploads.allJobIds]);
  const knownHosts = await db
    .selectFrom('farm_host')
    .select(['id', 'status'])
    .where('invalid', '=', 0)
    .orderBy('id')
    .execute();
  const busyHosts = await db
    .selectFrom('farm_queue_entry')
    .select('host_id as id')
    .distinct()
    .where('complete', '=', sql<Flag>`0`)
    .where('host_id', 'is not', null)
    .orderBy('host_id')
    .$narrowType<{ id: number }>()
    .execute();
  return {
    version: HEARTBEAT_VERSION,
    shardHostname,
    knownJobIds: [...knownJobIds].sort((a, b) => a - b),
    knownHosts,
    busyHostIds: busyHosts.map(({ id }) => id),
    jobs: [...uploads.jobs],
    entries: [...uploads.entries],
  };
}
