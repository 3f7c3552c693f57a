/** Rows as records: plain JSON with the rows that belong to them, in the order of their ids. */
import { readByIds } from './chunks.js';
import { anyTablesToRead, type FarmReader } from './farm-store.js';
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
import { groupedBy, mapById } from './grouped.js';

/** Who may use a host. */
interface AclGroupRecord extends AclGroupRow {
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
interface QueueEntryRecord extends QueueEntryRow {
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
  const hosts = await readByIds(hostIds, ids =>
    db.selectFrom('farm_host').selectAll().where('id', 'in', ids).orderBy('id').execute(),
  );
  const ids = hosts.map(host => host.id);
  const labelsOf = await linkedRows(db, 'farm_host_label', 'host_id', 'farm_label', ids);
  const attributes = groupedBy(await hostAttributes(db, ids), 'host_id');
  const groupsOf = await linkedRows(db, 'farm_acl_group_host', 'host_id', 'farm_acl_group', ids);
  const groupIds = ids.flatMap(groupsOf).map(group => group.id);
  const usersOf = await linkedRows(db, 'farm_acl_group_user', 'acl_group_id', 'farm_user', groupIds);
  const shardWith = await referredRows(db, hosts, 'shard_id', 'farm_shard');
  return hosts.map(host => ({
    ...host,
    labels: labelsOf(host.id),
    attributes: attributes.get(host.id) ?? [],
    acl_groups: groupsOf(host.id).map(group => ({ ...group, users: usersOf(group.id) })),
    shard: shardWith(host.shard_id),
  }));
}

export async function serializeJobs(db: FarmReader, jobIds: readonly number[]): Promise<JobRecord[]> {
  const jobs = await jobRecords(db, jobIds);
  const ids = jobs.map(job => job.id);
  const labelsOf = await linkedRows(db, 'farm_job_label', 'job_id', 'farm_label', ids);
  const rows = await entryRecords(db, ids);
  const labelWith = await referredRows(db, rows, 'meta_host', 'farm_label');
  const entries = groupedBy(rows, 'job_id');
  const keyvals = groupedBy(await serializeJobKeyvals(db, ids), 'job_id');
  const shardWith = await referredRows(db, jobs, 'shard_id', 'farm_shard');
  return jobs.map(job => ({
    ...job,
    labels: labelsOf(job.id),
    entries: (entries.get(job.id) ?? []).map(entry => ({ ...entry, meta_host_label: labelWith(entry.meta_host) })),
    keyvals: keyvals.get(job.id) ?? [],
    shard: shardWith(job.shard_id),
  }));
}

/** Jobs without what belongs to them, as shards upload them. */
export function jobRecords(db: FarmReader, jobIds: readonly number[]): Promise<JobRow[]> {
  return readByIds(jobIds, ids => db.selectFrom('farm_job').selectAll().where('id', 'in', ids).orderBy('id').execute());
}

/** All entries of these jobs, without what belongs to them. */
export function entryRecords(db: FarmReader, jobIds: readonly number[]): Promise<QueueEntryRow[]> {
  return readByIds(jobIds, ids =>
    db.selectFrom('farm_queue_entry').selectAll().where('job_id', 'in', ids).orderBy('job_id').orderBy('id').execute(),
  );
}

export function serializeJobKeyvals(db: FarmReader, jobIds: readonly number[]): Promise<JobKeyvalRow[]> {
  return readByIds(jobIds, ids =>
    db.selectFrom('farm_job_keyval').selectAll().where('job_id', 'in', ids).orderBy('job_id').orderBy('id').execute(),
  );
}

function hostAttributes(db: FarmReader, hostIds: readonly number[]): Promise<HostAttributeRow[]> {
  return readByIds(hostIds, ids =>
    db.selectFrom('farm_host_attribute').selectAll().where('host_id', 'in', ids).orderBy('id').execute(),
  );
}

const LINK_COLUMNS = { farm_label: 'label_id', farm_acl_group: 'acl_group_id', farm_user: 'user_id' } as const;

/** Resolves with a function from an owner's id to the rows of `table` that it is linked to. */
async function linkedRows<Table extends keyof typeof LINK_COLUMNS>(
  db: FarmReader,
  link: 'farm_host_label' | 'farm_job_label' | 'farm_acl_group_host' | 'farm_acl_group_user',
  owner: 'host_id' | 'job_id' | 'acl_group_id',
  table: Table,
  ownerIds: readonly number[],
): Promise<(ownerId: number) => FarmTables[Table][]> {
  const rows = await readByIds(ownerIds, ids =>
    anyTablesToRead(db)
      .selectFrom(`${link as string} as link`)
      .innerJoin(`${table as string} as linked`, 'linked.id', `link.${LINK_COLUMNS[table]}`)
      .selectAll('linked')
      .select(`link.${owner} as owner_id`)
      .where(`link.${owner}`, 'in', ids)
      .orderBy('linked.id')
      .execute(),
  );
  const links = rows.map(({ owner_id, ...row }) => ({ owner_id: owner_id as number, row }));
  const byOwner = groupedBy(links, 'owner_id');
  return ownerId => (byOwner.get(ownerId) ?? []).map(({ row }) => row as unknown as FarmTables[Table]);
}

/** Resolves with a function from an id in `column` to the row of `table`. */
async function referredRows<Table extends 'farm_label' | 'farm_shard', Column extends string>(
  db: FarmReader,
  rows: readonly Readonly<Record<Column, number | null>>[],
  column: Column,
  table: Table,
): Promise<(id: number | null) => FarmTables[Table] | null> {
  const wanted = rows.map(row => row[column]).filter(id => id !== null);
  const found = await readByIds(wanted, ids =>
    anyTablesToRead(db)
      .selectFrom(table as string)
      .selectAll()
      .where('id', 'in', ids)
      .execute(),
  );
  const byId = mapById(found as unknown as FarmTables[Table][]);
  return id => (id === null ? null : (byId.get(id) ?? null));
}
