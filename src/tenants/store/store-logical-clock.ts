import type { ReadWriteDb } from '../../store/handles.js';
import type { Store } from '../../store/store.js';
import { checkLtime, type LogicalClock } from '../logical-clock.js';
import type { TenantTables } from './tenant-tables.js';
import { TenantStore } from './tenant-store.js';

/**
 * Counts in a row of the store, which `tenantTables` creates.
 *
 *     const clock = new StoreLogicalClock(store);
 */
export class StoreLogicalClock<DB extends TenantTables = TenantTables> implements LogicalClock {
  readonly #store: TenantStore;

  /** Throws a TypeError (`ERR_INVALID_ARG`) unless it is a store, which the caller closes. */
  constructor(store: Store<DB>) {
    this.#store = new TenantStore(store);
  }

  /**
   * As in LogicalClock, for all processes that use this database; no ltime is issued twice, even after a crash. Rejects
   * with a StoreError; `ERR_SECTION_NESTING` inside a section of the same store that writes.
   */
  async next(): Promise<number> {
    return this.#store.write('next ltime', takeLtime);
  }
}

/** As a part of a section: the ltime counts as given once that is committed. */
export async function takeLtime(tx: ReadWriteDb<TenantTables>): Promise<number> {
  const { ltime } = await tx
    .updateTable('tenant_clock')
    .set(({ eb }) => ({ ltime: eb('ltime', '+', 1) }))
    .where('id', '=', 1)
    .returning('ltime')
    .executeTakeFirstOrThrow(
      () => new Error('the row of tenant_clock is gone, and with it the record of issued ltimes'),
    );
  return checkLtime('ltime', Number(ltime));
}
