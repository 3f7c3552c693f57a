/**
 * Records become rows, in the transaction of the section that they are given: one section per record, so that one that is
 * wrong is undone whole.
 *
 * The master is right about what belongs to a record, always. Of a row that is here already it decides only what it may
 * change while the shard works on it: whether a host is invalid, whether an entry is to be aborted, what a keyval's value is.
 * A host that is invalid here is nobody's work: it comes as if it were new.
 */
import { chunksOf } from './chunks.js';
import type { HostRow, JobKeyvalRow, JobRow, QueueEntryRow, UserRow } from './farm-tables.js';
import { RecordError } from './record-error.js';
import { rawRecord, type RawRecord, readRow } from './record-fields.js';
import { childRows, listIn, rowIn } from './related.js';
import { type FarmWriter, followNamed, insertRows, insertWithOwnIds } from './rows.js';

/** Gives its id. Rejects with RecordError. */
export async function deserializeHost(tx: FarmWriter, record: unknown): Promise<number> {
  const raw = rawRecord('host', record);
  const host = readRow('host', raw);
  const labels = listIn('host', raw, 'labels')?.map(label => readRow('label', label));
  const attributes = listIn('host', raw, 'attributes');
  const attributeRows = attributes && childRows('host attribute', attributes, 'host_id', host.id);
  const groups = listIn('host', raw, 'acl_groups')?.map(group => rawRecord('acl group', group));
  const shard = rowIn('host', raw, 'shard', 'shard', host.shard_id);

  if (shard !== undefined) await followNamed(tx, 'shard', [shard]);
  await writeHost(tx, host, 'shard' in raw);
  if (labels !== undefined) {
    await followNamed(tx, 'label', labels);
    await tx.deleteFrom('farm_host_label').where('host_id', '=', host.id).execute();
    const links = labels.map(label => ({ host_id: host.id, label_id: label.id }));
    await insertRows(tx, 'farm_host_label', links);
  }
  if (attributeRows !== undefined) {
    await tx.deleteFrom('farm_host_attribute').where('host_id', '=', host.id).execute();
    await insertWithOwnIds(tx, 'host attribute', attributeRows);
  }
  if (groups !== undefined) await linkGroups(tx, host.id, groups);
  return host.id;
}

/** Gives its id. Rejects with RecordError. */
export async function deserializeJob(tx: FarmWriter, record: unknown): Promise<number> {
  const raw = rawRecord('job', record);
  const job = readRow('job', raw);
  const labels = listIn('job', raw, 'labels')?.map(label => readRow('label', label));
  const keyvals = listIn('job', raw, 'keyvals');
  const keyvalRows = keyvals && childRows('job keyval', keyvals, 'job_id', job.id);
  const entries = listIn('job', raw, 'entries') ?? [];
  const entryRows = childRows('queue entry', entries, 'job_id', job.id);
  const metaHosts = entryRows.map((entry, at) =>
    rowIn('queue entry', rawRecord('queue entry', entries[at]), 'meta_host_label', 'label', entry.meta_host),
  );
  const shard = rowIn('job', raw, 'shard', 'shard', job.shard_id);

  if (shard !== undefined) await followNamed(tx, 'shard', [shard]);
  await writeJob(tx, job, 'shard' in raw);
  if (labels !== undefined) {
    await followNamed(tx, 'label', labels);
    await tx.deleteFrom('farm_job_label').where('job_id', '=', job.id).execute();
    const links = labels.map(label => ({ job_id: job.id, label_id: label.id }));
    await insertRows(tx, 'farm_job_label', links);
  }
  if (keyvalRows !== undefined) {
    await tx.deleteFrom('farm_job_keyval').where('job_id', '=', job.id).execute();
    await insertWithOwnIds(tx, 'job keyval', keyvalRows);
  }
  await followNamed(
    tx,
    'label',
    metaHosts.filter(label => label !== undefined),
  );
  await writeEntries(tx, entryRows);
  return job.id;
}

/** A keyval of a job that need not be here: by job and key, whatever its id. Rejects with RecordError. */
export async function deserializeJobKeyval(tx: FarmWriter, record: unknown): Promise<void> {
  const keyval: JobKeyvalRow = readRow('job keyval', record);
  const { job_id, key, value } = keyval;
  const old = await tx
    .selectFrom('farm_job_keyval')
    .select('value')
    .where('job_id', '=', job_id)
    .where('key', '=', key)
    .executeTakeFirst();
  if (old === undefined) await insertWithOwnIds(tx, 'job keyval', [keyval]);
  else if (old.value !== value) {
    await tx
      .updateTable('farm_job_keyval')
      .set({ value })
      .where('job_id', '=', job_id)
      .where('key', '=', key)
      .execute();
  }
}

async function writeHost(tx: FarmWriter, host: HostRow, saysShard: boolean): Promise<void> {
  const { id, shard_id, ...rest } = host;
  const old = await tx.selectFrom('farm_host').select('invalid').where('id', '=', id).executeTakeFirst();
  if (old === undefined) {
    await insertRows(tx, 'farm_host', [host]);
    return;
  }
  // One that was removed here was another shard's meanwhile: what this one knew of it is old.
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
  // Null is the first of completion's two bits: set in between, the second would complete a job that is never uploaded.
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
    const old = new Map(here.map(entry => [entry.id, entry]));
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
    const users = listIn('acl group', groups[at] ?? {}, 'users')?.map(user => readRow('user', user));
    if (users !== undefined) await linkUsers(tx, group.id, users);
  }
  await tx.deleteFrom('farm_acl_group_host').where('host_id', '=', hostId).execute();
  const links = rows.map(group => ({ acl_group_id: group.id, host_id: hostId }));
  await insertRows(tx, 'farm_acl_group_host', links);
}

/** A user is who has both that login and that id; whoever has one of them only is somebody else, who is gone. */
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
        if (same.access_level === access_level) continue;
        await tx.updateTable('farm_user').set({ access_level }).where('id', '=', id).execute();
        continue;
      }
      await tx
        .deleteFrom('farm_user')
        .where(where => where.or([where('id', '=', user.id), where('login', '=', user.login)]))
        .execute();
      await insertRows(tx, 'farm_user', [user]);
    }
  }
  await tx.deleteFrom('farm_acl_group_user').where('acl_group_id', '=', groupId).execute();
  const links = users.map(user => ({ acl_group_id: groupId, user_id: user.id }));
  await insertRows(tx, 'farm_acl_group_user', links);
}
