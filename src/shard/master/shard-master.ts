/** The master: it knows the whole farm, and hands parts of it out to shards. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { readOptions } from '../../option/option-table.js';
import { withNamedLog } from '../../report/log.js';
import { Store } from '../../store/store.js';
import { farmOf } from '../records/farm-store.js';
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
import { Conversations } from './conversations.js';
import { idOf, listOf, namesOf, NEW_ACL_GROUP, NEW_SHARD, NEW_USER, pairsOf, REMOVE_SHARD, textOf } from './fields.js';
import * as hosts from './hosts.js';
import * as jobs from './jobs.js';
import * as labels from './labels.js';
import { MasterError } from '../wire/master-error.js';
import { type MasterSettings, SHARD_MASTER, type ShardMasterOptions } from './master-options.js';
import { HOST_QUERY, type HostQuery, NEW_HOST, type NewHost } from './new-host.js';
import { checkNewJob, JOB_QUERY, type JobQuery, type NewJob } from './new-job.js';
import { type Answered, MasterReports } from './master-reports.js';
import { findShard } from './named.js';
import * as shards from './shards.js';
import * as tokens from './tokens.js';
import type { FarmWriter } from '../records/rows.js';
import type { FarmReader } from '../records/serialize.js';

/**
 * The service side of shards, over a store with the farm's tables (`farmMigrations`).
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
 * Each method is one transaction, all or nothing, and rejects with TypeError (`ERR_INVALID_ARG`) for what it cannot be told,
 * with MasterError for what it refuses, and with the store's errors. What is made is named by its id.
 */
export class ShardMaster<DB extends FarmTables> {
  readonly #store: Store<FarmTables>;
  readonly #settings: MasterSettings;
  readonly #conversations: Conversations;
  readonly #reports: MasterReports;

  /** The store stays yours to close. Throws TypeError (`ERR_INVALID_ARG`). */
  constructor(store: Store<DB>, options: ShardMasterOptions = {}) {
    if (!(store instanceof Store)) throw invalidArgument('store', store, 'a Store');
    this.#store = farmOf(store);
    this.#settings = withNamedLog(readOptions(SHARD_MASTER, options), 'master');
    this.#conversations = new Conversations(this.#settings.log, this.#settings.clock);
    this.#reports = new MasterReports(this.#settings);
  }

  /** Ends the way to the metrics that was made here, for `{ host, port }`; all else may go on. */
  close(): Promise<void> {
    return this.#reports.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Answers a shard's heartbeat: takes over what it uploads, hands it what is new, and tells what is not its any more.
   * What is wrong with one record costs that record: `refused` of the reply tells. Any heartbeat may be lost, on either way,
   * come twice or late: what was not acknowledged is to be sent again, and what the shard does not know it is sent again.
   *
   * `shardHostname` is who speaks, as its token says. Rejects with MasterError: `ERR_UNKNOWN_SHARD`, or `ERR_OTHER_SHARD` when
   * the packet names another one.
   */
  heartbeat(shardHostname: string, packet: HeartbeatPacket): Promise<HeartbeatReply> {
    return this.#reports.heartbeat(() => this.#answer(shardHostname, packet));
  }

  /** Makes a shard, and gives it labels, which exist. `ERR_EXISTS`, `ERR_NOT_FOUND`, `ERR_LABEL_TAKEN`. */
  async createShard(shard: { hostname: string; labels?: readonly string[] | undefined }): Promise<number> {
    const { hostname, labels: names } = readOptions(NEW_SHARD, shard);
    return this.#write('create shard', tx => shards.createShard(tx, hostname, names));
  }

  /** All of them. */
  listShards(): Promise<shards.ListedShard[]> {
    return this.#read('list shards', shards.listShards);
  }

  /**
   * Removes a shard that has no hosts and no jobs that are not complete (`ERR_IN_USE`). With `force` its hosts are free to be
   * assigned again, and so are its jobs, as if nobody had been at them: a shard that still runs would run them at the same
   * time. Of a job that was to be aborted, or of which a part is complete, the rest ends as aborted: no shard is handed a
   * part of a job. Its tokens are void.
   */
  async removeShard(hostname: string, options: { force?: boolean | undefined } = {}): Promise<void> {
    const { force } = readOptions(REMOVE_SHARD, options);
    textOf('hostname', hostname);
    return this.#write('remove shard', tx => shards.removeShard(tx, hostname, force));
  }

  /** From now on the shard takes what carries the label. `ERR_LABEL_TAKEN` names the shard that has it. */
  async addLabelToShard(hostname: string, label: string): Promise<void> {
    const name = textOf('label', label);
    return this.#write('add label to shard', tx => labels.addShardLabels(tx, hostname, [name]));
  }

  /** From now on it takes nothing more for that label; what it has it keeps: hosts until another shard takes them. */
  async removeLabelFromShard(hostname: string, label: string): Promise<void> {
    const name = textOf('label', label);
    return this.#write('remove label from shard', tx => labels.removeShardLabel(tx, hostname, name));
  }

  /**
   * A token that says who the shard is: to be kept where only that shard reads it, as it cannot be had a second time. Tokens
   * that it had stay good, until they are revoked.
   */
  async createToken(shardHostname: string): Promise<string> {
    return this.#write('create token', tx => tokens.createToken(tx, shardHostname));
  }

  /** A new token in place of all that the shard had. */
  async rotateToken(shardHostname: string): Promise<string> {
    return this.#write('rotate token', async tx => {
      await tokens.revokeTokens(tx, shardHostname);
      return tokens.createToken(tx, shardHostname);
    });
  }

  /** The tokens that are good, by their numbers and ages. */
  listTokens(shardHostname: string): Promise<tokens.ListedToken[]> {
    return this.#read('list tokens', db => tokens.listTokens(db, shardHostname));
  }

  /** Makes tokens of a shard void, all or those with these numbers. Resolves with how many were. */
  async revokeTokens(shardHostname: string, ids?: readonly number[]): Promise<number> {
    const checked = ids === undefined ? undefined : listOf('ids', ids).map((id, at) => idOf(`ids[${String(at)}]`, id));
    return this.#write('revoke tokens', tx => tokens.revokeTokens(tx, shardHostname, checked));
  }

  /** Whose token it is; undefined when it is none that is good. */
  hostnameOfToken(token: string): Promise<string | undefined> {
    return this.#read('look at token', db => tokens.hostnameOfToken(db, token));
  }

  /** `ERR_EXISTS`. */
  async createLabel(name: string): Promise<number> {
    const checked = textOf('name', name);
    return this.#write('create label', tx => labels.createLabel(tx, checked));
  }

  /** All of them. */
  listLabels(): Promise<LabelRow[]> {
    return this.#read('list labels', labels.listLabels);
  }

  /** Removes a label that no shard, host or job has (`ERR_IN_USE`). */
  async removeLabel(name: string): Promise<void> {
    return this.#write('remove label', tx => labels.removeLabel(tx, name));
  }

  /** As `createHosts`. */
  async createHost(host: NewHost): Promise<number> {
    const ids = await this.createHosts([host]);
    return ids[0] as number;
  }

  /** Makes hosts, whose labels and groups exist; gives their ids in the same order. `ERR_EXISTS`, `ERR_NOT_FOUND`. */
  async createHosts(many: readonly NewHost[]): Promise<number[]> {
    const checked = listOf('hosts', many).map(host => readOptions(NEW_HOST, host));
    return this.#write('create hosts', tx => hosts.createHosts(tx, checked));
  }

  /** Hosts that were not removed, in the order of their ids. */
  async listHosts(query: HostQuery = {}): Promise<HostRow[]> {
    const filter = readOptions(HOST_QUERY, query);
    return this.#read('list hosts', db => hosts.listHosts(db, filter));
  }

  /** The labels of a host, in place of those that it had. */
  async setHostLabels(hostname: string, names: readonly string[]): Promise<void> {
    const checked = namesOf('labels', names);
    return this.#write('set host labels', tx => hosts.setHostLabels(tx, hostname, checked));
  }

  /** The attributes of a host, in place of those that it had. */
  async setHostAttributes(hostname: string, attributes: Readonly<Record<string, string>>): Promise<void> {
    const checked = pairsOf('attributes', attributes);
    return this.#write('set host attributes', tx => hosts.setHostAttributes(tx, hostname, checked));
  }

  /** The groups that may use a host, in place of those that might. */
  async setHostAclGroups(hostname: string, names: readonly string[]): Promise<void> {
    const checked = namesOf('aclGroups', names);
    return this.#write('set host acl groups', tx => hosts.setHostAclGroups(tx, hostname, checked));
  }

  /** Keeps a host from being assigned. Resolves with false when somebody has leased it already. */
  async leaseHost(hostname: string): Promise<boolean> {
    return this.#write('lease host', tx => hosts.setLeased(tx, hostname, 1));
  }

  /** Resolves with false when it was not leased. */
  async releaseHost(hostname: string): Promise<boolean> {
    return this.#write('release host', tx => hosts.setLeased(tx, hostname, 0));
  }

  /**
   * Its shard is told with its next heartbeat. Entries of jobs that name it, and are not complete, wait for ever: abort them.
   * Another host may be made with its hostname.
   */
  async removeHost(hostname: string): Promise<void> {
    return this.#write('remove host', tx => hosts.removeHost(tx, hostname));
  }

  /** As `createJobs`. */
  async createJob(job: NewJob): Promise<number> {
    const ids = await this.createJobs([job]);
    return ids[0] as number;
  }

  /** Makes jobs, whose hosts, labels and parents exist (`ERR_NOT_FOUND`); gives their ids in the same order. */
  async createJobs(many: readonly NewJob[]): Promise<number[]> {
    const checked = listOf('jobs', many).map(job => checkNewJob(job));
    return this.#write('create jobs', tx => jobs.createJobs(tx, checked));
  }

  /** In the order of their ids. */
  async listJobs(query: JobQuery = {}): Promise<JobRow[]> {
    const filter = readOptions(JOB_QUERY, query);
    return this.#read('list jobs', db => jobs.listJobs(db, filter));
  }

  /** All entries of a job. */
  async listEntries(jobId: number): Promise<QueueEntryRow[]> {
    const id = idOf('jobId', jobId);
    return this.#read('list entries', db => jobs.listEntries(db, id));
  }

  /**
   * Ends a job: at once what nobody is at; what was handed out, when its shard has heard of it and done so. Resolves with
   * how many entries had not ended.
   */
  async abortJob(jobId: number): Promise<number> {
    const id = idOf('jobId', jobId);
    return this.#write('abort job', tx => jobs.abortJob(tx, id));
  }

  /** Forgets a job, all of it. `ERR_IN_USE` when it is not complete. */
  async removeJob(jobId: number): Promise<void> {
    const id = idOf('jobId', jobId);
    return this.#write('remove job', tx => jobs.removeJob(tx, id));
  }

  /** In the order of their keys. */
  async listJobKeyvals(jobId: number): Promise<JobKeyvalRow[]> {
    const id = idOf('jobId', jobId);
    return this.#read('list job keyvals', db => jobs.listJobKeyvals(db, id));
  }

  /** Shards that have the job, or a part of it, are sent it with the next job of the same parent. */
  async setJobKeyval(jobId: number, key: string, value: string): Promise<void> {
    const id = idOf('jobId', jobId);
    const [pair] = pairsOf('keyvals', { [textOf('key', key)]: value });
    return this.#write('set job keyval', tx => jobs.setJobKeyval(tx, id, ...(pair ?? [key, value])));
  }

  /** `ERR_NOT_FOUND`. */
  async removeJobKeyval(jobId: number, key: string): Promise<void> {
    const id = idOf('jobId', jobId);
    return this.#write('remove job keyval', tx => jobs.removeJobKeyval(tx, id, key));
  }

  /** `ERR_EXISTS`. Default of `accessLevel`: 0. */
  async createUser(user: { login: string; accessLevel?: number | undefined }): Promise<number> {
    const { login, accessLevel } = readOptions(NEW_USER, user);
    return this.#write('create user', tx => acl.createUser(tx, login, accessLevel));
  }

  /** All of them. */
  listUsers(): Promise<UserRow[]> {
    return this.#read('list users', acl.listUsers);
  }

  /** Takes it out of its groups. */
  async removeUser(login: string): Promise<void> {
    return this.#write('remove user', tx => acl.removeUser(tx, login));
  }

  /** Makes a group of users, who exist. `ERR_EXISTS`, `ERR_NOT_FOUND`. */
  async createAclGroup(group: {
    name: string;
    description?: string | undefined;
    users?: readonly string[] | undefined;
  }): Promise<number> {
    const { name, description, users } = readOptions(NEW_ACL_GROUP, group);
    return this.#write('create acl group', tx => acl.createAclGroup(tx, name, description, users));
  }

  /** All of them. */
  listAclGroups(): Promise<AclGroupRow[]> {
    return this.#read('list acl groups', acl.listAclGroups);
  }

  /** Who is in a group, in place of those who were. */
  async setAclGroupUsers(name: string, logins: readonly string[]): Promise<void> {
    const checked = namesOf('users', logins);
    return this.#write('set acl group users', tx => acl.setAclGroupUsers(tx, name, checked));
  }

  /** Its hosts are its no more. */
  async removeAclGroup(name: string): Promise<void> {
    return this.#write('remove acl group', tx => acl.removeAclGroup(tx, name));
  }

  async #answer(shardHostname: string, packet: HeartbeatPacket): Promise<Answered> {
    if (packet.shardHostname !== shardHostname) {
      throw new MasterError('ERR_OTHER_SHARD', `the shard '${shardHostname}' speaks for '${packet.shardHostname}'`);
    }
    const shard = await this.#read('find shard', db => findShard(db, shardHostname));
    const conversation = this.#conversations.with(shardHostname);
    return answerHeartbeat(this.#store, this.#settings, conversation, shard.id, packet);
  }

  #read<T>(name: string, work: (db: FarmReader) => Promise<T>): Promise<T> {
    return this.#store.read(work, { name });
  }

  /** All of them do nothing but write to the database, and may be done again. */
  #write<T>(why: string, work: (tx: FarmWriter) => Promise<T>): Promise<T> {
    return this.#store.readWrite(why, work, { repeatable: true });
  }
}
