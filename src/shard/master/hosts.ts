/** Hosts as the master knows them. */
import type { Flag, HostRow } from '../records/farm-tables.js';
import { type FarmWriter, insertRows } from '../records/rows.js';
import type { FarmReader } from '../records/serialize.js';
import { type NumberedTable, takeIds } from './ids.js';
import { MasterError } from '../wire/master-error.js';
import { findAclGroups, findHost, findHosts, findLabel, findLabels, findShard, wanted } from './named.js';
import type { CheckedHost, HostFilter } from './new-host.js';

type Pairs = CheckedHost['attributes'];

export async function createHosts(tx: FarmWriter, hosts: readonly CheckedHost[]): Promise<number[]> {
  const known = await findHosts(
    tx,
    hosts.map(({ hostname }) => hostname),
  );
  const seen = new Set(known.keys());
  for (const { hostname } of hosts) {
    if (seen.has(hostname)) throw new MasterError('ERR_EXISTS', `there is a host '${hostname}' already`);
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
  if (filter.shard !== undefined) {
    const id = filter.shard === null ? null : (await findShard(db, filter.shard)).id;
    query = id === null ? query.where('shard_id', 'is', null) : query.where('shard_id', '=', id);
  }
  if (filter.label !== undefined) {
    const { id } = await findLabel(db, filter.label);
    query = query.where('id', 'in', db.selectFrom('farm_host_label').select('host_id').where('label_id', '=', id));
  }
  return query.where('id', '>', filter.afterId).orderBy('id').limit(filter.limit).execute();
}

/** Resolves with whether it was changed. */
export async function setLeased(tx: FarmWriter, hostname: string, leased: Flag): Promise<boolean> {
  const host = await findHost(tx, hostname);
  if (host.leased === leased) return false;
  await tx.updateTable('farm_host').set({ leased }).where('id', '=', host.id).execute();
  return true;
}

export async function setHostLabels(tx: FarmWriter, hostname: string, labels: readonly string[]): Promise<void> {
  const { id } = await findHost(tx, hostname);
  await touchHost(tx, id);
  await tx.deleteFrom('farm_host_label').where('host_id', '=', id).execute();
  await insertLinks(tx, [{ id, labels, aclGroups: [] }]);
}

export async function setHostAclGroups(tx: FarmWriter, hostname: string, aclGroups: readonly string[]): Promise<void> {
  const { id } = await findHost(tx, hostname);
  await tx.deleteFrom('farm_acl_group_host').where('host_id', '=', id).execute();
  await insertLinks(tx, [{ id, labels: [], aclGroups }]);
}

export async function setHostAttributes(tx: FarmWriter, hostname: string, attributes: Pairs): Promise<void> {
  const { id } = await findHost(tx, hostname);
  await tx.deleteFrom('farm_host_attribute').where('host_id', '=', id).execute();
  await insertAttributes(tx, [{ id, attributes }]);
}

/** Its row stays, as jobs name it; its attributes too. */
export async function removeHost(tx: FarmWriter, hostname: string): Promise<void> {
  const { id } = await findHost(tx, hostname);
  await tx.updateTable('farm_host').set({ invalid: 1, leased: 0, shard_id: null }).where('id', '=', id).execute();
  await tx.deleteFrom('farm_host_label').where('host_id', '=', id).execute();
  await tx.deleteFrom('farm_acl_group_host').where('host_id', '=', id).execute();
}

/**
 * Who assigns the host in another process meanwhile has read its labels and writes its row: writing it as well makes
 * PostgreSQL tell that the two are in each other's way.
 */
async function touchHost(tx: FarmWriter, id: number): Promise<void> {
  await tx.updateTable('farm_host').set({ id }).where('id', '=', id).execute();
}

async function insertLinks(
  tx: FarmWriter,
  hosts: readonly (Pick<CheckedHost, 'labels' | 'aclGroups'> & { id: number })[],
): Promise<void> {
  const labels = await findLabels(tx, [...new Set(hosts.flatMap(host => host.labels))]);
  const groups = await findAclGroups(tx, [...new Set(hosts.flatMap(host => host.aclGroups))]);
  const labelLinks = hosts.flatMap(host =>
    host.labels.map(name => ({ host_id: host.id, label_id: wanted('label', name, labels.get(name)).id })),
  );
  const groupLinks = hosts.flatMap(host =>
    host.aclGroups.map(name => ({ host_id: host.id, acl_group_id: wanted('acl group', name, groups.get(name)).id })),
  );
  await insertRows(tx, 'farm_host_label', labelLinks);
  await insertRows(tx, 'farm_acl_group_host', groupLinks);
}

async function insertAttributes(tx: FarmWriter, hosts: readonly { id: number; attributes: Pairs }[]): Promise<void> {
  const table = 'farm_host_attribute' satisfies NumberedTable;
  const pairs = hosts.flatMap(host => host.attributes.map(pair => ({ host_id: host.id, pair })));
  const nextId = await takeIds(tx, table, pairs.length);
  const rows = pairs.map(({ host_id, pair: [attribute, value] }) => ({ id: nextId(), host_id, attribute, value }));
  await insertRows(tx, table, rows);
}
