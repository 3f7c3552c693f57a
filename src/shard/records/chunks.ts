/**
 * Lists of any length, in parts that a statement, or a turn of the event loop, can take: SQLite binds 32,766 parameters,
 * PostgreSQL 65,535.
 */

const MAX_PARAMETERS = 10_000;

/** `perItem`: how many parameters each of them takes. */
export function chunksOf<T>(items: readonly T[], perItem = 1): T[][] {
  const size = Math.max(1, Math.floor(MAX_PARAMETERS / perItem));
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}

/** Rows by ids, each id once, in the order of the chunks. */
export async function byIds<Row>(ids: Iterable<number>, read: (ids: number[]) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for (const chunk of chunksOf([...new Set(ids)].sort((a, b) => a - b))) {
    // Not spread into one call: a chunk of jobs may have more entries than a call takes arguments.
    for (const row of await read(chunk)) rows.push(row);
  }
  return rows;
}
