/** Rows as records: plain JSON, with what belongs to them where that is followed. In the order of their ids. */
import type { ReadDb } from '../../store/handles.js';
import { byIds } from './chunks.js';
import type {
  AclGroupRow,
  FarmTables,
  HostAttributeRow,
  HostRow,
  JobKeyvalRow,
  JobRow,
  LabelRow,
  QueueEntryRow,
  ShardRow,
  UserRow,
} from './farm-tables.js';
import { grouped, type Owned } from './grouped.js';

/** The handle of a section of either kind. */
export type FarmReader = Pick<ReadDb<FarmTables>, 'selectFrom'>;

/** Who may use a host. */
export interface AclGroupRecord extends AclGroupRow {
  users: UserRow[];
}

/** A host and what belongs to it. */
export interface HostRecord extends HostRow {
  labels: LabelRow[];
  attributes: HostAttributeRow[];
  acl_groups: AclGroupRecord[];
  shard: ShardRow | null;
}

/** A queue entry and the label that its host must have. */
export interface QueueEntryRecord extends QueueEntryRow {
  meta_host_label: LabelRow | null;
}

/** A job and what belongs to it. */
export interface JobRecord extends JobRow {
  labels: LabelRow[];
  entries: QueueEntryRecord[];
  keyvals: JobKeyvalRow[];
  shard: ShardRow | null;
}

export async function serializeHosts(db: FarmReader, hostIds: readonly number[]): Promise<HostRecord[]> {
  const hosts = await byIds(hostIds, ids =>
    db.selectFrom('farm_host').selectAll().where('id', 'in', ids).orderBy('id').execute(),
  );
  const ids = hosts.map(host => host.id);
  const labels = grouped(await labelsOfHosts(db, ids));
  const attributes = grouped(await attributesOfHosts(db, ids));
  const groups = grouped(await groupsOfHosts(db, ids));
  const shards = byId(await shardsOf(db, hosts));
  return hosts.map(host => ({
    ...host,
    labels: labels.get(host.id) ?? [],
    attributes: attributes.get(host.id) ?? [],
    acl_groups: groups.get(host.id) ?? [],
    shard: found(shards, host.shard_id),
  }));
}

export async function serializeJobs(db: FarmReader, jobIds: readonly number[]): Promise<JobRecord[]> {
  const jobs = await jobRecords(db, jobIds);
  const ids = jobs.map(job => job.id);
  const labels = grouped(await labelsOfJobs(db, ids));
  const rows = await entryRecords(db, ids);
  const metaHosts = byId(await labelsById(db, present(rows.map(entry => entry.meta_host))));
  const entries = grouped(
    rows.map(entry => [entry.job_id, { ...entry, meta_host_label: found(metaHosts, entry.meta_host) }] as const),
  );
  const keyvals = grouped((await serializeJobKeyvals(db, ids)).map(keyval => [keyval.job_id, keyval] as const));
  const shards = byId(await shardsOf(db, jobs));
  return jobs.map(job => ({
    ...job,
    labels: labels.get(job.id) ?? [],
    entries: entries.get(job.id) ?? [],
    keyvals: keyvals.get(job.id) ?? [],
    shard: found(shards, job.shard_id),
  }));
}

/** Jobs without what belongs to them, as they are uploaded. */
export function jobRecords(db: FarmReader, jobIds: readonly number[]): Promise<JobRow[]> {
  return byIds(jobIds, ids => db.selectFrom('farm_job').selectAll().where('id', 'in', ids).orderBy('id').execute());
}

/** All entries of these jobs, without what belongs to them. */
export function entryRecords(db: FarmReader, jobIds: readonly number[]): Promise<QueueEntryRow[]> {
  return byIds(jobIds, ids =>
    db.selectFrom('farm_queue_entry').selectAll().where('job_id', 'in', ids).orderBy('job_id').orderBy('id').execute(),
  );
}

export function serializeJobKeyvals(db: FarmReader, jobIds: readonly number[]): Promise<JobKeyvalRow[]> {
  return byIds(jobIds, ids =>
    db.selectFrom('farm_job_keyval').selectAll().where('job_id', 'in', ids).orderBy('job_id').orderBy('id').execute(),
  );
}

async function labelsOfHosts(db: FarmReader, hostIds: readonly number[]): Promise<Owned<LabelRow>[]> {
  const rows = await byIds(hostIds, ids =>
    db
      .selectFrom('farm_host_label as link')
      .innerJoin('farm_label as label', 'label.id', 'link.label_id')
      .select(['link.host_id as owner', 'label.id', 'label.name'])
      .where('link.host_id', 'in', ids)
      .orderBy('label.id')
      .execute(),
  );
  return rows.map(({ owner, ...label }) => [owner, label]);
}

async function labelsOfJobs(db: FarmReader, jobIds: readonly number[]): Promise<Owned<LabelRow>[]> {
  const rows = await byIds(jobIds, ids =>
    db
      .selectFrom('farm_job_label as link')
      .innerJoin('farm_label as label', 'label.id', 'link.label_id')
      .select(['link.job_id as owner', 'label.id', 'label.name'])
      .where('link.job_id', 'in', ids)
      .orderBy('label.id')
      .execute(),
  );
  return rows.map(({ owner, ...label }) => [owner, label]);
}

async function attributesOfHosts(db: FarmReader, hostIds: readonly number[]): Promise<Owned<HostAttributeRow>[]> {
  const rows = await byIds(hostIds, ids =>
    db.selectFrom('farm_host_attribute').selectAll().where('host_id', 'in', ids).orderBy('id').execute(),
  );
  return rows.map(attribute => [attribute.host_id, attribute]);
}

async function groupsOfHosts(db: FarmReader, hostIds: readonly number[]): Promise<Owned<AclGroupRecord>[]> {
  const rows = await byIds(hostIds, ids =>
    db
      .selectFrom('farm_acl_group_host as link')
      .innerJoin('farm_acl_group as group', 'group.id', 'link.acl_group_id')
      .select(['link.host_id as owner', 'group.id', 'group.name', 'group.description'])
      .where('link.host_id', 'in', ids)
      .orderBy('group.id')
      .execute(),
  );
  const users = grouped(
    await usersOfGroups(
      db,
      rows.map(group => group.id),
    ),
  );
  return rows.map(({ owner, ...group }) => [owner, { ...group, users: users.get(group.id) ?? [] }]);
}

async function usersOfGroups(db: FarmReader, groupIds: readonly number[]): Promise<Owned<UserRow>[]> {
  const rows = await byIds(groupIds, ids =>
    db
      .selectFrom('farm_acl_group_user as link')
      .innerJoin('farm_user as user', 'user.id', 'link.user_id')
      .select(['link.acl_group_id as owner', 'user.id', 'user.login', 'user.access_level'])
      .where('link.acl_group_id', 'in', ids)
      .orderBy('user.id')
      .execute(),
  );
  return rows.map(({ owner, ...user }) => [owner, user]);
}

function labelsById(db: FarmReader, labelIds: readonly number[]): Promise<LabelRow[]> {
  return byIds(labelIds, ids => db.selectFrom('farm_label').selectAll().where('id', 'in', ids).execute());
}

function shardsOf(db: FarmReader, rows: readonly { shard_id: number | null }[]): Promise<ShardRow[]> {
  return byIds(present(rows.map(row => row.shard_id)), ids =>
    db.selectFrom('farm_shard').selectAll().where('id', 'in', ids).execute(),
  );
}

function present(ids: readonly (number | null)[]): number[] {
  return ids.filter(id => id !== null);
}

function byId<Row extends { id: number }>(rows: readonly Row[]): Map<number, Row> {
  return new Map(rows.map(row => [row.id, row]));
}

function found<Row>(rows: ReadonlyMap<number, Row>, id: number | null): Row | null {
  return id === null ? null : (rows.get(id) ?? null);
}
