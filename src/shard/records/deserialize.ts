/**
 * Writes records into the tables, within the caller's section: one section per record, so that a bad one is undone whole.
 *
 * What belongs to a record always follows the master. Of a row that exists here the master decides only what it may change
 * while the shard works on it: whether a host is invalid, whether an entry is aborted, what value a keyval has.
 * A host that is invalid here is written as if it were new.
 */
import { chunksOf } from './chunks.js';
import type { FarmWriter } from './farm-store.js';
import type { HostRow, JobRow, QueueEntryRow, UserRow } from './farm-tables.js';
import { mapById } from './grouped.js';
import { RecordError } from './record-error.js';
import { rawRecord, type RawRecord, readRow } from './record-fields.js';
import { childRows, listIn, rowIn, rowsIn } from './related.js';
import { followNamed, insertRows, insertWithOwnIds, replaceRows } from './rows.js';

/** Resolves with the record's id. Rejects with a RecordError. */
export async function deserializeHost(tx: FarmWriter, record: unknown): Promise<number> {
  const raw = rawRecord('host', record);
  const host = readRow('host', raw);
  const host_id = host.id;
  const labels = rowsIn('host', raw, 'labels', 'label');
  const owner = { column: 'host_id', id: host_id } as const;
  const attributes = childRows('host', raw, 'attributes', 'host attribute', owner);
  const groups = listIn('host', raw, 'acl_groups')?.map(group => rawRecord('acl group', group));
  const shard = rowIn('host', raw, 'shard', 'shard', host.shard_id);

  if (shard !== undefined) await followNamed(tx, 'shard', [shard]);
  await writeHost(tx, host, 'shard' in raw);
  if (labels !== undefined) {
    await followNamed(tx, 'label', labels);
    const links = labels.map(label => ({ host_id, label_id: label.id }));
    await replaceRows(tx, 'farm_host_label', 'host_id', host_id, links);
  }
  if (attributes !== undefined) {
    await tx.deleteFrom('farm_host_attribute').where('host_id', '=', host_id).execute();
    await insertWithOwnIds(tx, 'host attribute', attributes);
  }
  if (groups !== undefined) await linkGroups(tx, host_id, groups);
  return host_id;
}

/** Resolves with the record's id. Rejects with a RecordError. */
export async function deserializeJob(tx: FarmWriter, record: unknown): Promise<number> {
  const raw = rawRecord('job', record);
  const job = readRow('job', raw);
  const job_id = job.id;
  const labels = rowsIn('job', raw, 'labels', 'label');
  const owner = { column: 'job_id', id: job_id } as const;
  const keyvals = childRows('job', raw, 'keyvals', 'job keyval', owner);
  const entries = childRows('job', raw, 'entries', 'queue entry', owner) ?? [];
  const rawEntries = listIn('job', raw, 'entries') ?? [];
  const metaHosts = entries.map((entry, at) =>
    rowIn('queue entry', rawRecord('queue entry', rawEntries[at]), 'meta_host_label', 'label', entry.meta_host),
  );
  const shard = rowIn('job', raw, 'shard', 'shard', job.shard_id);

  if (shard !== undefined) await followNamed(tx, 'shard', [shard]);
  await writeJob(tx, job, 'shard' in raw);
  if (labels !== undefined) {
    await followNamed(tx, 'label', labels);
    const links = labels.map(label => ({ job_id, label_id: label.id }));
    await replaceRows(tx, 'farm_job_label', 'job_id', job_id, links);
  }
  if (keyvals !== undefined) {
    await tx.deleteFrom('farm_job_keyval').where('job_id', '=', job_id).execute();
    await insertWithOwnIds(tx, 'job keyval', keyvals);
  }
  const metaHostLabels = metaHosts.filter(label => label !== undefined);
  await followNamed(tx, 'label', metaHostLabels);
  await writeEntries(tx, entries);
  return job_id;
}

/** Writes a keyval by job and key, whatever its id; its job may be absent here. Rejects with a RecordError. */
export async function deserializeJobKeyval(tx: FarmWriter, record: unknown): Promise<void> {
  const keyval = readRow('job keyval', record);
  const { job_id, key, value } = keyval;
  const { numUpdatedRows } = await tx
    .updateTable('farm_job_keyval')
    .set({ value })
    .where('job_id', '=', job_id)
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 0n) await insertWithOwnIds(tx, 'job keyval', [keyval]);
}

async function writeHost(tx: FarmWriter, host: HostRow, saysShard: boolean): Promise<void> {
  const { id, shard_id, ...rest } = host;
  const old = await tx.selectFrom('farm_host').select('invalid').where('id', '=', id).executeTakeFirst();
  if (old === undefined) {
    await insertRows(tx, 'farm_host', [host]);
    return;
  }
  // Another shard had it since it was removed here: what this shard knows of it is old.
  const news = old.invalid === 1 ? rest : { invalid: host.invalid };
  await tx
    .updateTable('farm_host')
    .set({ ...news, ...(saysShard ? { shard_id } : {}) })
    .where('id', '=', id)
    .execute();
}

async function writeJob(tx: FarmWriter, job: JobRow, saysShard: boolean): Promise<void> {
  const { id, shard_id } = job;
  const old = await tx.selectFrom('farm_job').select('shard_id').where('id', '=', id).executeTakeFirst();
  if (old === undefined) await insertRows(tx, 'farm_job', [job]);
  // Null is the first of completion's two bits: a shard written between the two would keep the job from being uploaded.
  else if (saysShard && old.shard_id !== null) {
    await tx.updateTable('farm_job').set({ shard_id }).where('id', '=', id).execute();
  }
}

async function writeEntries(tx: FarmWriter, entries: readonly QueueEntryRow[]): Promise<void> {
  const isNew: QueueEntryRow[] = [];
  for (const chunk of chunksOf(entries)) {
    const ids = chunk.map(entry => entry.id);
    const here = await tx
      .selectFrom('farm_queue_entry')
      .select(['id', 'job_id', 'aborted'])
      .where('id', 'in', ids)
      .execute();
    const old = mapById(here);
    for (const entry of chunk) {
      const { id, job_id, aborted } = entry;
      const same = old.get(id);
      if (same === undefined) isNew.push(entry);
      else if (same.job_id !== job_id) {
        throw new RecordError('queue entry', id, 'job_id', job_id, `${String(same.job_id)}, as it is here`);
      } else if (same.aborted !== aborted) {
        await tx.updateTable('farm_queue_entry').set({ aborted }).where('id', '=', id).execute();
      }
    }
  }
  await insertRows(tx, 'farm_queue_entry', isNew);
}

async function linkGroups(tx: FarmWriter, hostId: number, groups: readonly RawRecord[]): Promise<void> {
  const rows = groups.map(group => readRow('acl group', group));
  await followNamed(tx, 'acl group', rows);
  for (const [at, group] of rows.entries()) {
    const users = rowsIn('acl group', groups[at] ?? {}, 'users', 'user');
    if (users !== undefined) await linkUsers(tx, group.id, users);
  }
  const links = rows.map(group => ({ acl_group_id: group.id, host_id: hostId }));
  await replaceRows(tx, 'farm_acl_group_host', 'host_id', hostId, links);
}

/** A user is the same by both id and login; a row that shares only one of them is a removed user's. */
async function linkUsers(tx: FarmWriter, groupId: number, users: readonly UserRow[]): Promise<void> {
  for (const chunk of chunksOf(users, 2)) {
    const ids = chunk.map(user => user.id);
    const logins = chunk.map(user => user.login);
    const here = await tx
      .selectFrom('farm_user')
      .select(['id', 'login', 'access_level'])
      .where(where => where.or([where('id', 'in', ids), where('login', 'in', logins)]))
      .execute();
    for (const user of chunk) {
      const same = here.find(({ id, login }) => id === user.id && login === user.login);
      if (same !== undefined) {
        const { id, access_level } = user;
        if (same.access_level !== access_level) {
          await tx.updateTable('farm_user').set({ access_level }).where('id', '=', id).execute();
        }
        continue;
      }
      await tx
        .deleteFrom('farm_user')
        .where(where => where.or([where('id', '=', user.id), where('login', '=', user.login)]))
        .execute();
      await insertRows(tx, 'farm_user', [user]);
    }
  }
  const links = users.map(user => ({ acl_group_id: groupId, user_id: user.id }));
  await replaceRows(tx, 'farm_acl_group_user', 'acl_group_id', groupId, links);
}
