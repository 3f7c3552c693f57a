/**
 * `drone-task-queue/shard`: part of a farm on a scheduler of its own, and the master that hands it out.
 *
 *     ShardClient ─► heartbeat: packet ─► HTTP ─► ShardMaster ─► hosts and jobs by label
 *          └─► takes over what the reply has, record by record
 */
export { HEARTBEAT_VERSION, HeartbeatPacketSchema, HeartbeatReplySchema, RefusedSchema } from './wire/heartbeat.js';
export type { HeartbeatPacket, HeartbeatReply, Refused } from './wire/heartbeat.js';
export { HeartbeatError, type HeartbeatErrorCode } from './wire/heartbeat-error.js';
export type { HeartbeatExchange, MasterLink } from './wire/master-link.js';
export { farmMigrations } from './records/farm-migrations.js';
export type {
  AclGroupRow,
  FarmTables,
  Flag,
  HostAttributeRow,
  HostRow,
  JobKeyvalRow,
  JobRow,
  LabelRow,
  Moment,
  QueueEntryRow,
  ShardRow,
  ShardTokenRow,
  UserRow,
} from './records/farm-tables.js';
export { HttpMasterLink } from './wire/http-master-link.js';
export type { HttpMasterLinkOptions, MasterTlsOptions } from './wire/http-master-link-options.js';
export { shardRoutes, type HeartbeatMaster, type ShardRoutesOptions } from './wire/shard-routes.js';
export { ShardMaster } from './master/shard-master.js';
export type { ShardMasterOptions } from './master/master-options.js';
export { MasterError, type MasterErrorCode } from './wire/master-error.js';
export type { HostQuery, NewHost } from './master/new-host.js';
export type { JobQuery, NewEntry, NewJob } from './master/new-job.js';
export type { ListedShard } from './master/shards.js';
export type { ListedToken } from './master/tokens.js';
export { completeEntry, type EntryOutcome } from './records/complete-entry.js';
export { RecordError, type RecordKind } from './records/record-error.js';
export { ShardClient, ShardClientError } from './client/shard-client.js';
export type { ShardClientOptions } from './client/client-options.js';
export type { TakenOver } from './client/take-over.js';
export { events, subscribe, type ShardMessages } from './events.js';
export type { HeartbeatEnd } from './events.js';
