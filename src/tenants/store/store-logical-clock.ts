/** The clock of schedulers that share a store. */
import type { ReadWriteDb } from '../../store/handles.js';
import type { Store } from '../../store/store.js';
import { checkLtime, type LogicalClock } from '../logical-clock.js';
import type { TenantTables } from './tenant-tables.js';
import { TenantStore } from './tenant-store.js';

/**
 * Counts in a row of the store, which `tenantTables` has made.
 *
 *     const clock = new StoreLogicalClock(store);
 */
export class StoreLogicalClock<DB extends TenantTables = TenantTables> implements LogicalClock {
  readonly #store: TenantStore;

  /** Throws TypeError (`ERR_INVALID_ARG`) for what is no store. The store stays yours to close. */
  constructor(store: Store<DB>) {
    this.#store = new TenantStore(store);
  }

  /**
   * As LogicalClock says, among all processes that use this database. An ltime that was given is never given again, also
   * when the process dies.
   *
   * Rejects with StoreError; `ERR_SECTION_NESTING` inside a section of the same store that writes.
   */
  async next(): Promise<number> {
    return this.#store.write('next ltime', takeLtime);
  }
}

/** As a part of a section: the ltime is given by the time that this is committed, and not before. */
export async function takeLtime(tx: ReadWriteDb<TenantTables>): Promise<number> {
  const { ltime } = await tx
    .updateTable('tenant_clock')
    .set(({ eb }) => ({ ltime: eb('ltime', '+', 1) }))
    .where('id', '=', 1)
    .returning('ltime')
    .executeTakeFirstOrThrow(
      () => new Error('the row of tenant_clock is gone, and nobody knows which ltimes were given'),
    );
  return checkLtime('ltime', Number(ltime));
}
