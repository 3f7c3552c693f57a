/** Writes rows of any kind of record. */
import { sql } from 'kysely';
import { chunksOf } from './chunks.js';
import { type AnyTables, anyTables, type FarmWriter } from './farm-store.js';
import type { FarmTables } from './farm-tables.js';
import { FIELDS, type RecordRows, TABLES } from './record-fields.js';

export async function insertRows<Table extends keyof FarmTables>(
  tx: FarmWriter,
  table: Table,
  rows: readonly FarmTables[Table][],
): Promise<void> {
  const columns = Object.keys(rows[0] ?? {}).length;
  for (const chunk of chunksOf(rows, columns)) {
    await anyTables(tx)
      .insertInto(table)
      .values(chunk as AnyTables[string][])
      .execute();
  }
}

/** Inserts rows with new ids: another store's ids of these kinds mean nothing here. */
export async function insertWithOwnIds<Kind extends 'job keyval' | 'host attribute'>(
  tx: FarmWriter,
  kind: Kind,
  rows: readonly RecordRows[Kind][],
): Promise<void> {
  if (rows.length === 0) return;
  const table: keyof FarmTables = TABLES[kind];
  const query = sql<{ last: number | null }>`SELECT max(id) AS last FROM ${sql.table(table)}`;
  const last = (await query.execute(tx)).rows[0]?.last ?? 0;
  const numbered = rows.map((row, at) => ({ ...row, id: last + 1 + at }));
  await insertRows(tx, table, numbered);
}

/** Deletes the rows of one owner and inserts `rows` in their place. */
export async function replaceRows<Table extends keyof FarmTables>(
  tx: FarmWriter,
  table: Table,
  owner: 'host_id' | 'job_id' | 'acl_group_id',
  ownerId: number,
  rows: readonly FarmTables[Table][],
): Promise<void> {
  const name: string = table;
  await anyTables(tx).deleteFrom(name).where(owner, '=', ownerId).execute();
  await insertRows(tx, table, rows);
}

/**
 * Writes named rows by their ids, with every field as the master has it. A name that another id holds here belongs to that
 * id no longer on the master: that row is renamed until the master sends its new name, and kept, since others point to it.
 */
export async function followNamed<Kind extends 'label' | 'acl group' | 'shard'>(
  tx: FarmWriter,
  kind: Kind,
  rows: readonly RecordRows[Kind][],
): Promise<void> {
  const table: keyof FarmTables = TABLES[kind];
  const name = kind === 'shard' ? 'hostname' : 'name';
  const columns = Object.keys(FIELDS[kind]);
  const db = anyTables(tx);
  const update = (id: number, set: AnyTables[string]): Promise<unknown> =>
    db.updateTable(table).set(set).where('id', '=', id).execute();
  const latest = new Map(rows.map(row => [row.id, row as unknown as AnyTables[string]]));
  for (const chunk of chunksOf([...latest], 2)) {
    const ids = chunk.map(([id]) => id);
    const names = chunk.map(([, row]) => row[name] as string);
    const here = await db
      .selectFrom(table)
      .selectAll()
      .where(where => where.or([where('id', 'in', ids), where(name, 'in', names)]))
      .execute();
    for (const [id, row] of chunk) {
      const old = here.find(other => other.id === id);
      if (old !== undefined && columns.every(column => old[column] === row[column])) continue;
      const taken = here.find(other => other[name] === row[name] && other.id !== id);
      if (taken !== undefined) {
        taken[name] = `${String(taken[name])} (was ${String(taken.id)})`;
        await update(taken.id as number, { [name]: taken[name] });
      }
      if (old === undefined) await insertRows(tx, table, [row as unknown as FarmTables[typeof table]]);
      else {
        await update(id, row);
        Object.assign(old, row);
      }
    }
  }
}
