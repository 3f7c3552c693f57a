/** A store as tenants use it: short sections of their own on tables that all schedulers write to. */
import type { ReadDb, ReadWriteDb } from '../../store/handles.js';
import type { Store } from '../../store/store.js';
import { StoreError } from '../../store/store-error.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import type { TenantTables } from './tenant-tables.js';

/** A store makes some attempts each time; among so many, others would have to come first every time. */
const TIMES = 20;

export class TenantStore {
  readonly #store: Store<TenantTables>;

  /** Throws TypeError (`ERR_INVALID_ARG`) for what is no store. */
  constructor(store: unknown) {
    const { read, readWrite } = (store ?? {}) as Partial<Store<TenantTables>>;
    if (typeof read !== 'function' || typeof readWrite !== 'function') {
      throw invalidArgument('store', store, 'a Store');
    }
    this.#store = store as Store<TenantTables>;
  }

  async read<T>(name: string, work: (db: ReadDb<TenantTables>) => Promise<T>): Promise<T> {
    return this.#store.read(work, { name });
  }

  /**
   * In a transaction of its own: what others have been given must not be undone with somebody's section. All schedulers
   * write the same rows, so that others in the way are no exception, and each time one of them is done.
   */
  async write<T>(why: string, work: (tx: ReadWriteDb<TenantTables>) => Promise<T>): Promise<T> {
    for (let time = 1; ; time++) {
      try {
        return await this.#store.readWrite(why, work, { repeatable: true, ownTransaction: true });
      } catch (error) {
        const isConflict = error instanceof StoreError && error.code === 'ERR_CONFLICT';
        if (!isConflict || time === TIMES) throw error;
      }
    }
  }
}
