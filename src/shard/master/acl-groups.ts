/** Users, and the groups by which they may use hosts. */
import type { AclGroupRow, UserRow } from '../records/farm-tables.js';
import { type FarmWriter, insertRows } from '../records/rows.js';
import type { FarmReader } from '../records/serialize.js';
import { takeIds } from './ids.js';
import { MasterError } from '../wire/master-error.js';
import { findAclGroup, findAclGroups, findUsers, wanted } from './named.js';

export async function createUser(tx: FarmWriter, login: string, accessLevel: number): Promise<number> {
  if ((await findUsers(tx, [login])).size > 0)
    throw new MasterError('ERR_EXISTS', `there is a user '${login}' already`);
  const nextId = await takeIds(tx, 'farm_user', 1);
  const id = nextId();
  await tx.insertInto('farm_user').values({ id, login, access_level: accessLevel }).execute();
  return id;
}

export async function listUsers(db: FarmReader): Promise<UserRow[]> {
  return db.selectFrom('farm_user').selectAll().orderBy('id').execute();
}

export async function removeUser(tx: FarmWriter, login: string): Promise<void> {
  const { id } = wanted('user', login, (await findUsers(tx, [login])).get(login));
  await tx.deleteFrom('farm_acl_group_user').where('user_id', '=', id).execute();
  await tx.deleteFrom('farm_user').where('id', '=', id).execute();
}

export async function createAclGroup(
  tx: FarmWriter,
  name: string,
  description: string,
  logins: readonly string[],
): Promise<number> {
  if ((await findAclGroups(tx, [name])).size > 0) {
    throw new MasterError('ERR_EXISTS', `there is an acl group '${name}' already`);
  }
  const nextId = await takeIds(tx, 'farm_acl_group', 1);
  const id = nextId();
  await tx.insertInto('farm_acl_group').values({ id, name, description }).execute();
  await insertUsers(tx, id, logins);
  return id;
}

export async function listAclGroups(db: FarmReader): Promise<AclGroupRow[]> {
  return db.selectFrom('farm_acl_group').selectAll().orderBy('id').execute();
}

/** In place of those that were in it. */
export async function setAclGroupUsers(tx: FarmWriter, name: string, logins: readonly string[]): Promise<void> {
  const { id } = await findAclGroup(tx, name);
  await tx.deleteFrom('farm_acl_group_user').where('acl_group_id', '=', id).execute();
  await insertUsers(tx, id, logins);
}

export async function removeAclGroup(tx: FarmWriter, name: string): Promise<void> {
  const { id } = await findAclGroup(tx, name);
  await tx.deleteFrom('farm_acl_group_user').where('acl_group_id', '=', id).execute();
  await tx.deleteFrom('farm_acl_group_host').where('acl_group_id', '=', id).execute();
  await tx.deleteFrom('farm_acl_group').where('id', '=', id).execute();
}

async function insertUsers(tx: FarmWriter, id: number, logins: readonly string[]): Promise<void> {
  const users = await findUsers(tx, logins);
  const rows = logins.map(login => ({ acl_group_id: id, user_id: wanted('user', login, users.get(login)).id }));
  await insertRows(tx, 'farm_acl_group_user', rows);
}
