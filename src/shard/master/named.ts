/** Finds what users call by name. */
import { chunksOf } from '../records/chunks.js';
import type { AclGroupRow, HostRow, LabelRow, ShardRow, UserRow } from '../records/farm-tables.js';
import type { FarmReader } from '../records/serialize.js';
import { MasterError } from '../wire/master-error.js';

/** Throws MasterError (`ERR_UNKNOWN_SHARD`). */
export async function findShard(db: FarmReader, hostname: string): Promise<ShardRow> {
  const row = await db.selectFrom('farm_shard').selectAll().where('hostname', '=', hostname).executeTakeFirst();
  if (row === undefined) throw new MasterError('ERR_UNKNOWN_SHARD', `there is no shard '${hostname}'`);
  return row;
}

/** One that was not removed. Throws MasterError (`ERR_NOT_FOUND`), as those below do. */
export async function findHost(db: FarmReader, hostname: string): Promise<HostRow> {
  const rows = await findHosts(db, [hostname]);
  return wanted('host', hostname, rows.get(hostname));
}

export async function findHosts(db: FarmReader, hostnames: readonly string[]): Promise<Map<string, HostRow>> {
  const rows = await inPieces(hostnames, piece =>
    db.selectFrom('farm_host').selectAll().where('hostname', 'in', piece).where('invalid', '=', 0).execute(),
  );
  return new Map(rows.map(row => [row.hostname, row]));
}

export async function findLabels(db: FarmReader, names: readonly string[]): Promise<Map<string, LabelRow>> {
  const rows = await inPieces(names, piece =>
    db.selectFrom('farm_label').selectAll().where('name', 'in', piece).execute(),
  );
  return new Map(rows.map(row => [row.name, row]));
}

export async function findLabel(db: FarmReader, name: string): Promise<LabelRow> {
  return wanted('label', name, (await findLabels(db, [name])).get(name));
}

export async function findAclGroups(db: FarmReader, names: readonly string[]): Promise<Map<string, AclGroupRow>> {
  const rows = await inPieces(names, piece =>
    db.selectFrom('farm_acl_group').selectAll().where('name', 'in', piece).execute(),
  );
  return new Map(rows.map(row => [row.name, row]));
}

export async function findAclGroup(db: FarmReader, name: string): Promise<AclGroupRow> {
  return wanted('acl group', name, (await findAclGroups(db, [name])).get(name));
}

export async function findUsers(db: FarmReader, logins: readonly string[]): Promise<Map<string, UserRow>> {
  const rows = await inPieces(logins, piece =>
    db.selectFrom('farm_user').selectAll().where('login', 'in', piece).execute(),
  );
  return new Map(rows.map(row => [row.login, row]));
}

/** `row`, or a MasterError that says what there is not. */
export function wanted<T>(what: string, name: string, row: T | undefined): T {
  if (row === undefined) throw new MasterError('ERR_NOT_FOUND', `there is no ${what} '${name}'`);
  return row;
}

async function inPieces<Row>(names: readonly string[], read: (names: string[]) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for (const chunk of chunksOf(names)) rows.push(...(await read(chunk)));
  return rows;
}
