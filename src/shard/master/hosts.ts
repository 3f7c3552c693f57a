/** Hosts as the master knows them. */
import type { FarmReader, FarmWriter } from '../records/farm-store.js';
import type { Flag, HostRow } from '../records/farm-tables.js';
import { insertRows } from '../records/rows.js';
import { takeIds } from './ids.js';
import { alreadyThere, findAll, findOne, findShard, idsByName } from './named.js';
import type { CheckedHost, HostFilter } from './new-host.js';

type Pairs = CheckedHost['attributes'];

export async function createHosts(tx: FarmWriter, hosts: readonly CheckedHost[]): Promise<number[]> {
  const hostnames = hosts.map(({ hostname }) => hostname);
  const seen = new Set((await findAll(tx, 'host', hostnames)).keys());
  for (const hostname of hostnames) {
    if (seen.has(hostname)) throw alreadyThere('host', hostname);
    seen.add(hostname);
  }
  const nextId = await takeIds(tx, 'farm_host', hosts.length);
  const made = hosts.map(host => ({ ...host, id: nextId() }));
  const rows = made.map(({ id, hostname, status, locked }): HostRow => {
    return { id, hostname, status, locked, leased: 0, invalid: 0, shard_id: null };
  });
  await insertRows(tx, 'farm_host', rows);
  await insertLinks(tx, made);
  await insertAttributes(tx, made);
  return made.map(({ id }) => id);
}

export async function listHosts(db: FarmReader, filter: HostFilter): Promise<HostRow[]> {
  let query = db.selectFrom('farm_host').selectAll().where('invalid', '=', 0);
  if (filter.shard === null) query = query.where('shard_id', 'is', null);
  else if (filter.shard !== undefined) query = query.where('shard_id', '=', (await findShard(db, filter.shard)).id);
  if (filter.label !== undefined) {
    const { id } = await findOne(db, 'label', filter.label);
    query = query.where('id', 'in', db.selectFrom('farm_host_label').select('host_id').where('label_id', '=', id));
  }
  return query.where('id', '>', filter.afterId).orderBy('id').limit(filter.limit).execute();
}

/** Resolves with whether it changed. */
export async function setLeased(tx: FarmWriter, hostname: string, leased: Flag): Promise<boolean> {
  const host = await findOne(tx, 'host', hostname);
  if (host.leased === leased) return false;
  await tx.updateTable('farm_host').set({ leased }).where('id', '=', host.id).execute();
  return true;
}

export async function setHostLabels(tx: FarmWriter, hostname: string, labels: readonly string[]): Promise<void> {
  const { id } = await findOne(tx, 'host', hostname);
  await touchHost(tx, id);
  await tx.deleteFrom('farm_host_label').where('host_id', '=', id).execute();
  await insertLinks(tx, [{ id, labels, aclGroups: [] }]);
}

export async function setHostAclGroups(tx: FarmWriter, hostname: string, aclGroups: readonly string[]): Promise<void> {
  const { id } = await findOne(tx, 'host', hostname);
  await tx.deleteFrom('farm_acl_group_host').where('host_id', '=', id).execute();
  await insertLinks(tx, [{ id, labels: [], aclGroups }]);
}

export async function setHostAttributes(tx: FarmWriter, hostname: string, attributes: Pairs): Promise<void> {
  const { id } = await findOne(tx, 'host', hostname);
  await tx.deleteFrom('farm_host_attribute').where('host_id', '=', id).execute();
  await insertAttributes(tx, [{ id, attributes }]);
}

/** Keeps the row and its attributes, as jobs refer to it. */
export async function removeHost(tx: FarmWriter, hostname: string): Promise<void> {
  const { id } = await findOne(tx, 'host', hostname);
  await tx.updateTable('farm_host').set({ invalid: 1, leased: 0, shard_id: null }).where('id', '=', id).execute();
  await tx.deleteFrom('farm_host_label').where('host_id', '=', id).execute();
  await tx.deleteFrom('farm_acl_group_host').where('host_id', '=', id).execute();
}

/** Writes the row, so that PostgreSQL detects the conflict with a process that assigns the host by its old labels. */
async function touchHost(tx: FarmWriter, id: number): Promise<void> {
  await tx.updateTable('farm_host').set({ id }).where('id', '=', id).execute();
}

async function insertLinks(
  tx: FarmWriter,
  hosts: readonly (Pick<CheckedHost, 'labels' | 'aclGroups'> & { id: number })[],
): Promise<void> {
  const labelNames = hosts.flatMap(host => host.labels);
  const labelId = await idsByName(tx, 'label', labelNames);
  const groupNames = hosts.flatMap(host => host.aclGroups);
  const groupId = await idsByName(tx, 'acl group', groupNames);
  const labelLinks = hosts.flatMap(({ id, labels }) => labels.map(name => ({ host_id: id, label_id: labelId(name) })));
  const groupLinks = hosts.flatMap(({ id, aclGroups }) =>
    aclGroups.map(name => ({ host_id: id, acl_group_id: groupId(name) })),
  );
  await insertRows(tx, 'farm_host_label', labelLinks);
  await insertRows(tx, 'farm_acl_group_host', groupLinks);
}

async function insertAttributes(tx: FarmWriter, hosts: readonly { id: number; attributes: Pairs }[]): Promise<void> {
  const pairs = hosts.flatMap(host => host.attributes.map(pair => ({ host_id: host.id, pair })));
  const nextId = await takeIds(tx, 'farm_host_attribute', pairs.length);
  const rows = pairs.map(({ host_id, pair: [attribute, value] }) => ({ id: nextId(), host_id, attribute, value }));
  await insertRows(tx, 'farm_host_attribute', rows);
}
