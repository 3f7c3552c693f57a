/** Statements over many rows, in pieces that a database takes: SQLite binds 32,766 parameters at most, PostgreSQL 65,535. */
import type { Insertable } from 'kysely';
import type { ReadWriteDb } from '../../store/handles.js';
import type { FarmTables } from '../farm-tables.js';

const MAX_LIST = 5_000;
/** Of rows with up to 12 columns. */
const MAX_ROWS = 500;

/** The items in lists that fit into one `in`. */
export function* piecesOf<T>(items: readonly T[], size = MAX_LIST): Generator<T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

/** What `query` gives for all of the pieces. */
export async function inPieces<T, R>(items: readonly T[], query: (piece: T[]) => Promise<R[]>): Promise<R[]> {
  const found: R[] = [];
  for (const piece of piecesOf(items)) for (const row of await query(piece)) found.push(row);
  return found;
}

export async function insertAll<T extends keyof FarmTables & string>(
  tx: ReadWriteDb<FarmTables>,
  table: T,
  rows: readonly Insertable<FarmTables[T]>[],
): Promise<void> {
  for (const piece of piecesOf(rows, MAX_ROWS)) await tx.insertInto(table).values(piece).execute();
}
