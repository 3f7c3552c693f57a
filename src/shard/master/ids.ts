/** The farm's ids, which only the master gives. */
import type { FarmWriter } from '../records/rows.js';

/** Tables whose rows have an id of their own. */
export type NumberedTable =
  | 'farm_acl_group'
  | 'farm_host'
  | 'farm_host_attribute'
  | 'farm_job'
  | 'farm_job_keyval'
  | 'farm_label'
  | 'farm_queue_entry'
  | 'farm_shard'
  | 'farm_shard_token'
  | 'farm_user';

/** So many ids in a row that nobody else is given, never twice: each next one. Those of a section that fails come again. */
export async function takeIds(tx: FarmWriter, table: NumberedTable, count: number): Promise<() => number> {
  // Nobody asks for the next one.
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
