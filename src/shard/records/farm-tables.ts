/**
 * The tables of a farm that is shared out to shards. The master has all of it, a shard what was handed to it; the tables
 * are the same, and so are the ids, which only the master gives; those of keyvals and attributes mean nothing in another
 * store. In a store's own interface of tables: `MyTables & FarmTables`.
 */

/** As a column, so that every database and JSON have it: 0 for no, 1 for yes. */
export type Flag = 0 | 1;

/** A moment, as `Date.prototype.toISOString` writes it: as texts they sort as they follow each other. */
export type Moment = string;

/** Something a host has or a job needs. A shard takes what carries one of its labels; a label is of one shard at most. */
export interface LabelRow {
  id: number;
  name: string;
}

/** On the master: all shards. On a shard: its own row, once that has come with a host or a job. */
export interface ShardRow {
  id: number;
  hostname: string;
}

/** Of the master alone. */
export interface ShardTokenRow {
  id: number;
  shard_id: number;
  /** The token itself is kept nowhere. */
  token_hash: string;
  created_on: Moment;
}

/** Somebody who may use hosts, by the groups that they are in. */
export interface UserRow {
  id: number;
  login: string;
  access_level: number;
}

/** Who may use which hosts. */
export interface AclGroupRow {
  id: number;
  name: string;
  description: string;
}

/** What runs jobs. */
export interface HostRow {
  id: number;
  hostname: string;
  /** In the words of whoever drives the host, up to 1,000 characters: `Ready`, `Running`, `Repair Failed`. */
  status: string;
  locked: Flag;
  /** It is somebody's for a while: nothing is assigned to it. */
  leased: Flag;
  /** It was removed: kept, as jobs name it. */
  invalid: Flag;
  shard_id: number | null;
}

/** Something known of a host. */
export interface HostAttributeRow {
  id: number;
  host_id: number;
  attribute: string;
  value: string;
}

/** Something to do on hosts. */
export interface JobRow {
  id: number;
  name: string;
  owner: string;
  priority: number;
  /** What it does, in the words of whoever runs it. */
  command: string;
  created_on: Moment;
  /** The job that this one is a part of, whose keyvals a shard is sent with it. */
  parent_job_id: number | null;
  /**
   * On the master: the shard that it was handed to. On a shard: its own row; null once all that it has to tell of the job is
   * written down, and to be uploaded (see `completeEntry`).
   */
  shard_id: number | null;
}

/** Something known of a job. */
export interface JobKeyvalRow {
  id: number;
  /** A keyval may come to a shard without its job. */
  job_id: number;
  key: string;
  value: string;
}

/** One host's part of a job. */
export interface QueueEntryRow {
  id: number;
  job_id: number;
  /** The host that it is for, once there is one. */
  host_id: number | null;
  /** Any host with this label will do. Neither this nor a host: it needs none, and the master's own scheduler runs it. */
  meta_host: number | null;
  /** In the words of whoever runs it, up to 1,000 characters: `Queued`, `Running`, `Completed`, `Failed`, `Aborted`. */
  status: string;
  active: Flag;
  complete: Flag;
  /** Somebody wants it ended. */
  aborted: Flag;
  started_on: Moment | null;
  finished_on: Moment | null;
  /** Where its results are; up to 4,096 characters. */
  execution_subdir: string;
}

/** All tables of a farm. */
export interface FarmTables {
  farm_acl_group: AclGroupRow;
  farm_acl_group_host: { acl_group_id: number; host_id: number };
  farm_acl_group_user: { acl_group_id: number; user_id: number };
  farm_host: HostRow;
  farm_host_attribute: HostAttributeRow;
  farm_host_label: { host_id: number; label_id: number };
  farm_job: JobRow;
  farm_job_keyval: JobKeyvalRow;
  /** The labels that a job's hosts must have. */
  farm_job_label: { job_id: number; label_id: number };
  farm_label: LabelRow;
  farm_queue_entry: QueueEntryRow;
  /** Last id that was given, by table. Of the master alone. */
  farm_sequence: { name: string; last: number };
  farm_shard: ShardRow;
  farm_shard_label: { shard_id: number; label_id: number };
  farm_shard_token: ShardTokenRow;
  farm_user: UserRow;
}
