/** Writes rows of any kind of record. */
import { sql } from 'kysely';
import type { ReadWriteDb } from '../../store/handles.js';
import { chunksOf } from './chunks.js';
import type { FarmTables } from './farm-tables.js';
import { RECORDS, type RecordRows } from './record-fields.js';

export type FarmWriter = ReadWriteDb<FarmTables>;

/** Where the kind of row is not known before it runs: what may be in a table is the matter of `RECORDS`. */
type AnyTables = Record<string, Record<string, string | number | null>>;

function anyTables(tx: FarmWriter): ReadWriteDb<AnyTables> {
  return tx as unknown as ReadWriteDb<AnyTables>;
}

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

/** With ids of this database's own: what theirs are elsewhere means nothing here. */
export async function insertWithOwnIds<Kind extends 'job keyval' | 'host attribute'>(
  tx: FarmWriter,
  kind: Kind,
  rows: readonly RecordRows[Kind][],
): Promise<void> {
  if (rows.length === 0) return;
  const { table } = RECORDS[kind];
  const { rows: found } = await sql<{ last: number | null }>`SELECT max(id) AS last FROM ${sql.table(table)}`.execute(
    tx,
  );
  const last = found[0]?.last ?? 0;
  await insertRows(
    tx,
    table,
    rows.map((row, at) => ({ ...row, id: last + 1 + at })),
  );
}

/**
 * Rows that only the master writes, and that have a name: by their ids, in all fields as the master has them. A name that
 * another id has here is that one's no more on the master: it is taken from it, and that one has a stand-in until the
 * master tells its new name. It is kept, as others point to it.
 */
export async function followNamed<Kind extends 'label' | 'acl group' | 'shard'>(
  tx: FarmWriter,
  kind: Kind,
  rows: readonly RecordRows[Kind][],
): Promise<void> {
  const { table, fields } = RECORDS[kind];
  const name = kind === 'shard' ? 'hostname' : 'name';
  const columns = Object.keys(fields);
  const wanted = [...new Map(rows.map(row => [row.id, row as unknown as AnyTables[string]])).values()];
  for (const chunk of chunksOf(wanted, 2)) {
    const ids = chunk.map(row => row.id as number);
    const names = chunk.map(row => row[name] as string);
    const here = await anyTables(tx)
      .selectFrom(table)
      .selectAll()
      .where(where => where.or([where('id', 'in', ids), where(name, 'in', names)]))
      .execute();
    for (const row of chunk) {
      const old = here.find(({ id }) => id === row.id);
      if (old !== undefined && columns.every(column => old[column] === row[column])) continue;
      const taken = here.find(other => other[name] === row[name] && other.id !== row.id);
      if (taken !== undefined) {
        taken[name] = `${String(taken[name])} (was ${String(taken.id)})`;
        await anyTables(tx)
          .updateTable(table)
          .set({ [name]: taken[name] })
          .where('id', '=', taken.id ?? null)
          .execute();
      }
      if (old === undefined) await insertRows(tx, table, [row as unknown as FarmTables[typeof table]]);
      else {
        await anyTables(tx)
          .updateTable(table)
          .set(row)
          .where('id', '=', row.id ?? null)
          .execute();
        Object.assign(old, row);
      }
    }
  }
}
