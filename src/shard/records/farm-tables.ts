/**
 * The tables of a farm. The master has all rows, a shard only those assigned to it. Tables and ids are the same on
 * both. Only the master assigns ids, except those of keyvals and attributes, which each store assigns itself. Use
 * `MyTables & FarmTables`.
 */

/** 0 for no, 1 for yes, because every database and JSON support numbers. */
export type Flag = 0 | 1;

/** A time as `Date.prototype.toISOString` writes it; the text sorts by time. */
export type Moment = string;

/**
 * A property that a host has or a job needs. A shard gets hosts and jobs with its labels; a label belongs to at most
 * one shard.
 */
export interface LabelRow {
  id: number;
  name: string;
}

/** On the master: all shards. On a shard: only its own row, which comes with the first host or job. */
export interface ShardRow {
  id: number;
  hostname: string;
}

/** On the master only. */
export interface ShardTokenRow {
  id: number;
  shard_id: number;
  /** The token itself is not stored. */
  token_hash: string;
  created_on: Moment;
}

/** A person who may use hosts by their groups. */
export interface UserRow {
  id: number;
  login: string;
  access_level: number;
}

/** Users who may use certain hosts. */
export interface AclGroupRow {
  id: number;
  name: string;
  description: string;
}

/** A machine that runs jobs. */
export interface HostRow {
  id: number;
  hostname: string;
  /** Text that the driver chooses, up to 1,000 characters: `Ready`, `Running`, `Repair Failed`. */
  status: string;
  locked: Flag;
  /** Reserved by a user: it is not assigned to a shard. */
  leased: Flag;
  /** Removed; the row stays because jobs refer to it. */
  invalid: Flag;
  shard_id: number | null;
}

/** A name and a value that a host carries. */
export interface HostAttributeRow {
  id: number;
  host_id: number;
  attribute: string;
  value: string;
}

/** Work to do on hosts. */
export interface JobRow {
  id: number;
  name: string;
  owner: string;
  priority: number;
  /** What to run; your scheduler decides what it means. */
  command: string;
  created_on: Moment;
  /** The job of which this one is a part; a shard also gets its keyvals. */
  parent_job_id: number | null;
  /**
   * On the master: the assigned shard. On a shard: its own id, or null if the job is due for upload (`completeEntry`).
   */
  shard_id: number | null;
}

/** A name and a value that a job carries. */
export interface JobKeyvalRow {
  id: number;
  /** A shard may have a keyval without its job. */
  job_id: number;
  key: string;
  value: string;
}

/** One host's part of a job. */
export interface QueueEntryRow {
  id: number;
  job_id: number;
  /** The host, once it is known. */
  host_id: number | null;
  /** Any host with this label. With neither this nor a host, the master's own scheduler runs the entry. */
  meta_host: number | null;
  /** Text that the runner chooses, up to 1,000 characters: `Queued`, `Running`, `Completed`, `Failed`, `Aborted`. */
  status: string;
  active: Flag;
  complete: Flag;
  /** Whether the entry is to be aborted. */
  aborted: Flag;
  started_on: Moment | null;
  finished_on: Moment | null;
  /** Path of its results, up to 4,096 characters. */
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
  /** Labels that a job's hosts must have. */
  farm_job_label: { job_id: number; label_id: number };
  farm_label: LabelRow;
  farm_queue_entry: QueueEntryRow;
  /** The last assigned id, by table. On the master only. */
  farm_sequence: { name: string; last: number };
  farm_shard: ShardRow;
  farm_shard_label: { shard_id: number; label_id: number };
  farm_shard_token: ShardTokenRow;
  farm_user: UserRow;
}
