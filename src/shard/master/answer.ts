/** A heartbeat, on the master's side. */
import type { Store } from '../../store/store.js';
import { byIds } from '../chunks.js';
import type { FarmTables } from '../farm-tables.js';
import { HEARTBEAT_VERSION, type HeartbeatPacket, type HeartbeatReply, type Refused } from '../heartbeat.js';
import { serializeHosts, serializeJobKeyvals, serializeJobs } from '../records.js';
import type { FarmWriter } from '../rows.js';
import { assign } from './assignment.js';
import { saveHostStatuses } from './host-statuses.js';
import { MasterError } from './master-error.js';
import type { MasterSettings } from './master-options.js';
import { findShard } from './named.js';
import { persistUploads } from './uploads.js';

/** Refusals in one log line; the reply has all of them. */
const MAX_LOGGED = 20;

/** First what the shard tells, then what it is told, so that nothing is sent that has just ended. */
export async function answerHeartbeat(
  store: Store<FarmTables>,
  settings: MasterSettings,
  hostname: string,
  packet: HeartbeatPacket,
): Promise<HeartbeatReply> {
  if (packet.shardHostname !== hostname) {
    throw new MasterError('ERR_OTHER_SHARD', `the shard '${hostname}' speaks for '${packet.shardHostname}'`);
  }
  const shard = await store.read(db => findShard(db, hostname), { name: 'find shard' });
  const { acknowledgedJobIds, refused } = await persistUploads(store, shard.id, packet);
  refused.push(...(await saveHostStatuses(store, shard.id, packet.knownHosts)));
  logRefused(settings, hostname, refused);
  const known = {
    hostIds: new Set(packet.knownHosts.map(({ id }) => id)),
    jobIds: new Set(packet.knownJobIds),
  };
  return store.readWrite(
    'assign to shard',
    async tx => {
      const { hostIds, jobIds, incorrectHostIds } = await assign(tx, shard.id, known, settings);
      return {
        version: Math.min(packet.version, HEARTBEAT_VERSION),
        hosts: await serializeHosts(tx, hostIds),
        jobs: await serializeJobs(tx, jobIds),
        jobKeyvals: await serializeJobKeyvals(tx, await parentsOf(tx, jobIds)),
        incorrectHostIds,
        acknowledgedJobIds,
        refused,
      };
    },
    { repeatable: true },
  );
}

async function parentsOf(tx: FarmWriter, jobIds: readonly number[]): Promise<number[]> {
  const rows = await byIds(jobIds, ids =>
    tx
      .selectFrom('farm_job')
      .select('parent_job_id')
      .distinct()
      .where('id', 'in', ids)
      .where('parent_job_id', 'is not', null)
      .execute(),
  );
  return rows.map(row => row.parent_job_id).filter(id => id !== null);
}

function logRefused({ log }: MasterSettings, shard: string, refused: readonly Refused[]): void {
  if (refused.length === 0) return;
  log.warn(`${shard}: ${String(refused.length)} of its records were refused`, {
    shard,
    refused: refused.slice(0, MAX_LOGGED),
  });
}
