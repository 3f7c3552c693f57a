/** The master knows the whole farm and assigns parts of it to shards. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { readOptions } from '../../option/option-table.js';
import { withNamedLog } from '../../report/log.js';
import { Store } from '../../store/store.js';
import { type FarmReader, farmOf, type FarmWriter, read, write } from '../records/farm-store.js';
import type {
  AclGroupRow,
  FarmTables,
  HostRow,
  JobKeyvalRow,
  JobRow,
  LabelRow,
  QueueEntryRow,
  UserRow,
} from '../records/farm-tables.js';
import type { HeartbeatPacket, HeartbeatReply } from '../wire/heartbeat.js';
import * as acl from './acl-groups.js';
import { answerHeartbeat } from './answer.js';
import {
  idOf,
  listOf,
  namesOf,
  NEW_ACL_GROUP,
  NEW_SHARD,
  NEW_USER,
  packetOf,
  pairsOf,
  REMOVE_SHARD,
  textOf,
} from './fields.js';
import * as hosts from './hosts.js';
import * as jobs from './jobs.js';
import * as labels from './labels.js';
import { MasterError } from '../wire/master-error.js';
import { type MasterSettings, SHARD_MASTER, type ShardMasterOptions } from './master-options.js';
import { HOST_QUERY, type HostQuery, NEW_HOST, type NewHost } from './new-host.js';
import { checkNewJob, JOB_QUERY, type JobQuery, type NewJob } from './new-job.js';
import { type Answered, MasterReports } from './master-reports.js';
import { findShard } from './named.js';
import { ShardWarnings } from './shard-warnings.js';
import * as shards from './shards.js';
import * as tokens from './tokens.js';

/**
 * A master over a store with the farm's tables (`farmMigrations`).
 *
 * ```ts
 * const master = new ShardMaster(store);
 * await master.createLabel('rack-1');
 * await master.createShard({ hostname: 'shard1.example.com', labels: ['rack-1'] });
 * await master.createHost({ hostname: 'device7', labels: ['rack-1'] });
 * await master.createJob({ name: 'smoke', owner: 'ann', command: 'run smoke', entries: [{ metaHost: 'rack-1' }] });
 * const token = await master.createToken('shard1.example.com');
 * ```
 *
 * Each method is one transaction. It rejects with a TypeError (`ERR_INVALID_ARG`) for an invalid argument, with a
 * MasterError if it refuses the call, and with the store's errors. `create…` methods resolve with ids.
 */
export class ShardMaster<DB extends FarmTables> {
  readonly #store: Store<FarmTables>;
  readonly #settings: MasterSettings;
  /** Warnings by hostname. */
  readonly #warnings = new Map<string, ShardWarnings>();
  readonly #reports: MasterReports;

  /** The caller closes the store. Throws a TypeError (`ERR_INVALID_ARG`). */
  constructor(store: Store<DB>, options: ShardMasterOptions = {}) {
    if (!(store instanceof Store)) throw invalidArgument('store', store, 'a Store');
    this.#store = farmOf(store);
    this.#settings = withNamedLog(readOptions(SHARD_MASTER, options), 'master');
    this.#reports = new MasterReports(this.#settings);
  }

  /** Closes the metrics client that `stats: { host, port }` opened; the master stays usable. */
  close(): Promise<void> {
    return this.#reports.close();
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Answers a shard's heartbeat: saves its uploads, assigns and sends new hosts and jobs, and names hosts that it lost.
   * A bad record affects nothing else; the reply lists it in `refused`. Packets and replies may be lost, repeated or
   * late: both sides resend what the other one does not know.
   *
   * `shardHostname` comes from the token. Rejects with a TypeError (`ERR_INVALID_ARG`) for an invalid or newer packet,
   * and with a MasterError: `ERR_UNKNOWN_SHARD`, or `ERR_OTHER_SHARD` if it names another.
   */
  heartbeat(shardHostname: string, packet: HeartbeatPacket): Promise<HeartbeatReply> {
    return this.#reports.heartbeat(() => this.#answer(shardHostname, packet));
  }

  /** Creates a shard with existing labels. `ERR_EXISTS`, `ERR_NOT_FOUND`, `ERR_LABEL_TAKEN`. */
  async createShard(shard: { hostname: string; labels?: readonly string[] | undefined }): Promise<number> {
    const { hostname, labels: names } = readOptions(NEW_SHARD, shard);
    return this.#write('create shard', tx => shards.createShard(tx, hostname, names));
  }

  /** All shards with their labels, in the order of their ids. */
  listShards(): Promise<shards.ListedShard[]> {
    return this.#read('list shards', shards.listShards);
  }

  /**
   * Removes a shard and revokes its tokens; `ERR_IN_USE` while it has hosts or open jobs. With `force`, these can be
   * assigned again: a shard that is still running would run the jobs at the same time. The remaining entries of partly
   * finished or aborting jobs are aborted, because no shard gets part of a job.
   */
  async removeShard(hostname: string, options: { force?: boolean | undefined } = {}): Promise<void> {
    const { force } = readOptions(REMOVE_SHARD, options);
    textOf('hostname', hostname);
    return this.#write('remove shard', tx => shards.removeShard(tx, hostname, force));
  }

  /** From now on, the shard gets hosts and jobs with this label. `ERR_LABEL_TAKEN` names the shard that has it. */
  async addLabelToShard(hostname: string, label: string): Promise<void> {
    const name = textOf('label', label);
    return this.#write('add label to shard', tx => labels.addShardLabels(tx, hostname, [name]));
  }

  /**
   * The shard gets nothing more for this label, but keeps its jobs. With the next heartbeats, the master takes back
   * each host without another label of the shard once the host has no open entry or another shard gets it.
   */
  async removeLabelFromShard(hostname: string, label: string): Promise<void> {
    const name = textOf('label', label);
    return this.#write('remove label from shard', tx => labels.removeShardLabel(tx, hostname, name));
  }

  /** Creates a secret that authenticates the shard and cannot be read again. Older tokens stay valid until revoked. */
  async createToken(shardHostname: string): Promise<string> {
    return this.#write('create token', tx => tokens.createToken(tx, shardHostname));
  }

  /** Creates a token and revokes all older ones. */
  async rotateToken(shardHostname: string): Promise<string> {
    return this.#write('rotate token', async tx => {
      await tokens.revokeTokens(tx, shardHostname);
      return tokens.createToken(tx, shardHostname);
    });
  }

  /** The numbers and ages of the valid tokens. */
  listTokens(shardHostname: string): Promise<tokens.ListedToken[]> {
    return this.#read('list tokens', db => tokens.listTokens(db, shardHostname));
  }

  /** Revokes all tokens of a shard, or those with these numbers. Resolves with the number of revoked tokens. */
  async revokeTokens(shardHostname: string, ids?: readonly number[]): Promise<number> {
    const checked = ids === undefined ? undefined : listOf('ids', ids).map((id, at) => idOf(`ids[${String(at)}]`, id));
    return this.#write('revoke tokens', tx => tokens.revokeTokens(tx, shardHostname, checked));
  }

  /** The hostname of the token's shard; undefined for an invalid token. */
  hostnameOfToken(token: string): Promise<string | undefined> {
    return this.#read('look at token', db => tokens.hostnameOfToken(db, token));
  }

  /** Creates a label. `ERR_EXISTS`. */
  async createLabel(name: string): Promise<number> {
    const checked = textOf('name', name);
    return this.#write('create label', tx => labels.createLabel(tx, checked));
  }

  /** All labels, in the order of their ids. */
  listLabels(): Promise<LabelRow[]> {
    return this.#read('list labels', db => db.selectFrom('farm_label').selectAll().orderBy('id').execute());
  }

  /** Removes a label that no shard, host or job has (`ERR_IN_USE`). */
  async removeLabel(name: string): Promise<void> {
    return this.#write('remove label', tx => labels.removeLabel(tx, name));
  }

  /** `createHosts` for one host. Resolves with its id. */
  async createHost(host: NewHost): Promise<number> {
    const ids = await this.createHosts([host]);
    return ids[0] as number;
  }

  /** Creates hosts with existing labels and groups. `ERR_EXISTS`, `ERR_NOT_FOUND`. */
  async createHosts(many: readonly NewHost[]): Promise<number[]> {
    const checked = listOf('hosts', many).map(host => readOptions(NEW_HOST, host));
    return this.#write('create hosts', tx => hosts.createHosts(tx, checked));
  }

  /** Hosts that have not been removed, in the order of their ids. */
  async listHosts(query: HostQuery = {}): Promise<HostRow[]> {
    const filter = readOptions(HOST_QUERY, query);
    return this.#read('list hosts', db => hosts.listHosts(db, filter));
  }

  /** Replaces the labels of a host. */
  async setHostLabels(hostname: string, names: readonly string[]): Promise<void> {
    const checked = namesOf('labels', names);
    return this.#write('set host labels', tx => hosts.setHostLabels(tx, hostname, checked));
  }

  /** Replaces the attributes of a host. */
  async setHostAttributes(hostname: string, attributes: Readonly<Record<string, string>>): Promise<void> {
    const checked = pairsOf('attributes', attributes);
    return this.#write('set host attributes', tx => hosts.setHostAttributes(tx, hostname, checked));
  }

  /** Replaces the groups that may use a host. */
  async setHostAclGroups(hostname: string, names: readonly string[]): Promise<void> {
    const checked = namesOf('aclGroups', names);
    return this.#write('set host acl groups', tx => hosts.setHostAclGroups(tx, hostname, checked));
  }

  /** Prevents a host from being assigned. Resolves with false if it is already leased. */
  async leaseHost(hostname: string): Promise<boolean> {
    return this.#write('lease host', tx => hosts.setLeased(tx, hostname, 1));
  }

  /** Ends a lease. Resolves with false if the host was not leased. */
  async releaseHost(hostname: string): Promise<boolean> {
    return this.#write('release host', tx => hosts.setLeased(tx, hostname, 0));
  }

  /** Removes a host and frees its hostname; its shard is notified by heartbeat. Abort open entries that name it. */
  async removeHost(hostname: string): Promise<void> {
    return this.#write('remove host', tx => hosts.removeHost(tx, hostname));
  }

  /** `createJobs` for one job. Resolves with its id. */
  async createJob(job: NewJob): Promise<number> {
    const ids = await this.createJobs([job]);
    return ids[0] as number;
  }

  /** Creates jobs with existing hosts, labels and parents (`ERR_NOT_FOUND`). */
  async createJobs(many: readonly NewJob[]): Promise<number[]> {
    const checked = listOf('jobs', many).map(job => checkNewJob(job));
    return this.#write('create jobs', tx => jobs.createJobs(tx, checked));
  }

  /** Jobs, in the order of their ids. */
  async listJobs(query: JobQuery = {}): Promise<JobRow[]> {
    const filter = readOptions(JOB_QUERY, query);
    return this.#read('list jobs', db => jobs.listJobs(db, filter));
  }

  /** The entries of a job, in the order of their ids; none for an unknown job. */
  async listEntries(jobId: number): Promise<QueueEntryRow[]> {
    const id = idOf('jobId', jobId);
    return this.#read('list entries', db => jobs.listEntries(db, id));
  }

  /** Aborts a job: entries of no shard end at once, others after a heartbeat. Resolves with the number of open ones. */
  async abortJob(jobId: number): Promise<number> {
    const id = idOf('jobId', jobId);
    return this.#write('abort job', tx => jobs.abortJob(tx, id));
  }

  /** Removes a job with its entries, labels and keyvals. `ERR_IN_USE` while it is not complete. */
  async removeJob(jobId: number): Promise<void> {
    const id = idOf('jobId', jobId);
    return this.#write('remove job', tx => jobs.removeJob(tx, id));
  }

  /** The keyvals of a job, in the order of their keys. */
  async listJobKeyvals(jobId: number): Promise<JobKeyvalRow[]> {
    const id = idOf('jobId', jobId);
    return this.#read('list job keyvals', db =>
      db.selectFrom('farm_job_keyval').selectAll().where('job_id', '=', id).orderBy('key').execute(),
    );
  }

  /** Sets a keyval; a shard gets it with its next job of this parent. */
  async setJobKeyval(jobId: number, key: string, value: string): Promise<void> {
    const id = idOf('jobId', jobId);
    const [pair] = pairsOf('keyvals', { [textOf('key', key)]: value });
    return this.#write('set job keyval', tx => jobs.setJobKeyval(tx, id, ...(pair ?? [key, value])));
  }

  /** Removes a keyval. `ERR_NOT_FOUND`. */
  async removeJobKeyval(jobId: number, key: string): Promise<void> {
    const id = idOf('jobId', jobId);
    return this.#write('remove job keyval', tx => jobs.removeJobKeyval(tx, id, key));
  }

  /** Creates a user; `accessLevel` defaults to 0. `ERR_EXISTS`. */
  async createUser(user: { login: string; accessLevel?: number | undefined }): Promise<number> {
    const { login, accessLevel } = readOptions(NEW_USER, user);
    return this.#write('create user', tx => acl.createUser(tx, login, accessLevel));
  }

  /** All users, in the order of their ids. */
  listUsers(): Promise<UserRow[]> {
    return this.#read('list users', db => db.selectFrom('farm_user').selectAll().orderBy('id').execute());
  }

  /** Removes a user and its group memberships. */
  async removeUser(login: string): Promise<void> {
    return this.#write('remove user', tx => acl.removeUser(tx, login));
  }

  /** Creates a group of existing users. `ERR_EXISTS`, `ERR_NOT_FOUND`. */
  async createAclGroup(group: {
    name: string;
    description?: string | undefined;
    users?: readonly string[] | undefined;
  }): Promise<number> {
    const { name, description, users } = readOptions(NEW_ACL_GROUP, group);
    return this.#write('create acl group', tx => acl.createAclGroup(tx, name, description, users));
  }

  /** All groups, in the order of their ids. */
  listAclGroups(): Promise<AclGroupRow[]> {
    return this.#read('list acl groups', db => db.selectFrom('farm_acl_group').selectAll().orderBy('id').execute());
  }

  /** Replaces the users of a group. */
  async setAclGroupUsers(name: string, logins: readonly string[]): Promise<void> {
    const checked = namesOf('users', logins);
    return this.#write('set acl group users', tx => acl.setAclGroupUsers(tx, name, checked));
  }

  /** Removes a group and its links to hosts and users. `ERR_NOT_FOUND`. */
  async removeAclGroup(name: string): Promise<void> {
    return this.#write('remove acl group', tx => acl.removeAclGroup(tx, name));
  }

  async #answer(shardHostname: string, packet: HeartbeatPacket): Promise<Answered> {
    textOf('shardHostname', shardHostname);
    packetOf(packet);
    if (packet.shardHostname !== shardHostname) {
      throw new MasterError('ERR_OTHER_SHARD', `the packet of '${shardHostname}' names '${packet.shardHostname}'`);
    }
    const shard = await this.#read('find shard', db => findShard(db, shardHostname));
    const { log, clock } = this.#settings;
    const warnings = this.#warnings.get(shardHostname) ?? new ShardWarnings(shardHostname, log, clock);
    this.#warnings.set(shardHostname, warnings);
    return answerHeartbeat(this.#store, this.#settings, warnings, shard.id, packet);
  }

  #read<T>(name: string, work: (db: FarmReader) => Promise<T>): Promise<T> {
    return read(this.#store, name, work);
  }

  #write<T>(why: string, work: (tx: FarmWriter) => Promise<T>): Promise<T> {
    return write(this.#store, why, work);
  }
}
