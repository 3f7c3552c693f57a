/** A heartbeat's packet: what is so on this shard, as of one moment. */
import { sql } from 'kysely';
import type { Flag } from '../records/farm-tables.js';
import { HEARTBEAT_VERSION, type HeartbeatPacket } from '../wire/heartbeat.js';
import type { FarmReader } from '../records/serialize.js';
import type { Uploads } from './chosen-uploads.js';

export async function packetOf(db: FarmReader, shardHostname: string, uploads: Uploads): Promise<HeartbeatPacket> {
  const openJobs = await db
    .selectFrom('farm_queue_entry')
    .select('job_id')
    .distinct()
    // Said in the statement itself: for a bound 0, SQLite does not use the index of what is open.
    .where('complete', '=', sql<Flag>`0`)
    .orderBy('job_id')
    .execute();
  // Those, too, are new to the master only: unsaid, it would send them whole in place of others until it has them. Not so
  // those that it has acknowledged: when it sends one, it has lost what it was told.
  const knownJobIds = new Set([...openJobs.map(job => job.job_id), ...uploads.allJobIds]);
  const knownHosts = await db
    .selectFrom('farm_host')
    .select(['id', 'status'])
    .where('invalid', '=', 0)
    .orderBy('id')
    .execute();
  return {
    version: HEARTBEAT_VERSION,
    shardHostname,
    knownJobIds: [...knownJobIds].sort((a, b) => a - b),
    knownHosts,
    jobs: [...uploads.jobs],
    entries: [...uploads.entries],
  };
}
