/** Users, and the groups by which they may use hosts. */
import type { FarmWriter } from '../records/farm-store.js';
import { insertRows, replaceRows } from '../records/rows.js';
import { takeId } from './ids.js';
import { findOne, idsByName, refuseTaken } from './named.js';

export async function createUser(tx: FarmWriter, login: string, accessLevel: number): Promise<number> {
  await refuseTaken(tx, 'user', login);
  const id = await takeId(tx, 'farm_user');
  await insertRows(tx, 'farm_user', [{ id, login, access_level: accessLevel }]);
  return id;
}

export async function removeUser(tx: FarmWriter, login: string): Promise<void> {
  const { id } = await findOne(tx, 'user', login);
  await tx.deleteFrom('farm_acl_group_user').where('user_id', '=', id).execute();
  await tx.deleteFrom('farm_user').where('id', '=', id).execute();
}

export async function createAclGroup(
  tx: FarmWriter,
  name: string,
  description: string,
  logins: readonly string[],
): Promise<number> {
  await refuseTaken(tx, 'acl group', name);
  const id = await takeId(tx, 'farm_acl_group');
  await insertRows(tx, 'farm_acl_group', [{ id, name, description }]);
  await replaceUsers(tx, id, logins);
  return id;
}

export async function setAclGroupUsers(tx: FarmWriter, name: string, logins: readonly string[]): Promise<void> {
  const { id } = await findOne(tx, 'acl group', name);
  await replaceUsers(tx, id, logins);
}

export async function removeAclGroup(tx: FarmWriter, name: string): Promise<void> {
  const { id } = await findOne(tx, 'acl group', name);
  await tx.deleteFrom('farm_acl_group_user').where('acl_group_id', '=', id).execute();
  await tx.deleteFrom('farm_acl_group_host').where('acl_group_id', '=', id).execute();
  await tx.deleteFrom('farm_acl_group').where('id', '=', id).execute();
}

async function replaceUsers(tx: FarmWriter, id: number, logins: readonly string[]): Promise<void> {
  const userId = await idsByName(tx, 'user', logins);
  const rows = logins.map(login => ({ acl_group_id: id, user_id: userId(login) }));
  await replaceRows(tx, 'farm_acl_group_user', 'acl_group_id', id, rows);
}
