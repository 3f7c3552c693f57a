/** A heartbeat on the master's side. */
import type { Store } from '../../store/store.js';
import { type FarmReader, write } from '../records/farm-store.js';
import type { FarmTables } from '../records/farm-tables.js';
import { HEARTBEAT_VERSION, type HeartbeatPacket } from '../wire/heartbeat.js';
import { type Assignment, assign } from './assignment.js';
import { saveHostStatuses } from './host-statuses.js';
import type { MasterSettings } from './master-options.js';
import type { Answered } from './master-reports.js';
import { Refusals } from './refusals.js';
import { ReplyRecords } from './reply-records.js';
import type { ShardWarnings } from './shard-warnings.js';
import { persistUploads } from './uploads.js';

/** Saves the packet before it assigns, so that no job is sent that has just ended. */
export async function answerHeartbeat(
  store: Store<FarmTables>,
  settings: MasterSettings,
  warnings: ShardWarnings,
  shardId: number,
  packet: HeartbeatPacket,
): Promise<Answered> {
  const refusals = new Refusals();
  const { acknowledgedJobIds, ignored } = await persistUploads(store, shardId, packet, refusals);
  await saveHostStatuses(store, shardId, packet.knownHosts, refusals);
  const refused = refusals.list();
  warnings.refused(refused);
  const known = {
    hostIds: new Set(packet.knownHosts.map(({ id }) => id)),
    jobIds: new Set(packet.knownJobIds),
    busyHostIds: packet.busyHostIds && new Set(packet.busyHostIds),
  };
  const { assignment, records } = await write(store, 'assign to shard', async tx => {
    const assigned = await assign(tx, shardId, known, settings);
    return { assignment: assigned, records: await recordsOf(tx, assigned, settings) };
  });
  warnings.tooLarge(records.tooLarge);
  return {
    reply: {
      version: HEARTBEAT_VERSION,
      hosts: byId(records.hosts),
      jobs: byId(records.jobs),
      jobKeyvals: records.jobKeyvals,
      incorrectHostIds: assignment.incorrectHostIds,
      acknowledgedJobIds,
      refused,
    },
    ignoredUploads: ignored,
    refusedRecords: refusals.count,
  };
}

/** Starts with a random kind, which gets all the room: records that a shard never takes over must not block the others. */
async function recordsOf(
  db: FarmReader,
  { hostIds, newJobIds, abortedJobIds }: Assignment,
  { maxReplyBytes, random }: MasterSettings,
): Promise<ReplyRecords> {
  const records = new ReplyRecords(db, maxReplyBytes);
  const kinds = [
    () => records.addHosts(hostIds),
    () => records.addJobs(newJobIds),
    () => records.addJobs(abortedJobIds),
  ];
  const first = Math.floor(random() * kinds.length);
  for (let at = 0; at < kinds.length; at++) await kinds[(first + at) % kinds.length]?.();
  return records;
}

function byId<Row extends { readonly id: number }>(rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => a.id - b.id);
}
