/** The farm's ids, which only the master gives. */
import type { FarmWriter } from '../records/farm-store.js';
import type { FarmTables } from '../records/farm-tables.js';

/** Tables whose rows have an id of their own. */
type NumberedTable = {
  [Table in keyof FarmTables]: FarmTables[Table] extends { id: number } ? Table : never;
}[keyof FarmTables];

/** Reserves `count` consecutive ids; each call of the result returns the next. A failed section gives its ids back. */
export async function takeIds(tx: FarmWriter, table: NumberedTable, count: number): Promise<() => number> {
  // Nothing to insert, so the result is not called.
  if (count === 0) return () => NaN;
  const { last } = await tx
    .insertInto('farm_sequence')
    .values({ name: table, last: count })
    .onConflict(conflict => conflict.column('name').doUpdateSet(eb => ({ last: eb('farm_sequence.last', '+', count) })))
    .returning('last')
    .executeTakeFirstOrThrow();
  let next = last - count;
  return () => ++next;
}

export async function takeId(tx: FarmWriter, table: NumberedTable): Promise<number> {
  const nextId = await takeIds(tx, table, 1);
  return nextId();
}
