/** Lists of any length, in parts that a statement or a turn of the event loop can take. */

/** SQLite binds 32,766 parameters, PostgreSQL 65,535. */
const MAX_PARAMETERS = 10_000;

export function piecesOf<T>(items: readonly T[], size: number): T[][] {
  const pieces: T[][] = [];
  for (let start = 0; start < items.length; start += size) pieces.push(items.slice(start, start + size));
  return pieces;
}

/** Pieces of one statement each; an item takes `perItem` parameters. */
export function chunksOf<T>(items: readonly T[], perItem = 1): T[][] {
  return piecesOf(items, Math.max(1, Math.floor(MAX_PARAMETERS / perItem)));
}

/** Rows by keys, in the order of the chunks. */
export async function readInChunks<Key, Row>(
  keys: readonly Key[],
  read: (keys: Key[]) => Promise<Row[]>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const chunk of chunksOf(keys)) {
    // Not spread into one call: a chunk of jobs may have more entries than a call takes arguments.
    for (const row of await read(chunk)) rows.push(row);
  }
  return rows;
}

/** Rows by ids, each id once, in ascending chunks. */
export function readByIds<Row>(ids: Iterable<number>, read: (ids: number[]) => Promise<Row[]>): Promise<Row[]> {
  const sorted = [...new Set(ids)].sort((a, b) => a - b);
  return readInChunks(sorted, read);
}
