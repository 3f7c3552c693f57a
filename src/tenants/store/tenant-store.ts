/** A store for tenants: short sections on tables that all schedulers write to. */
import type { ReadDb, ReadWriteDb } from '../../store/handles.js';
import type { Store } from '../../store/store.js';
import { StoreError } from '../../store/store-error.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import type { TenantTables } from './tenant-tables.js';

/** Beside the store's own attempts. */
const TIMES = 20;

export class TenantStore {
  readonly #store: Store<TenantTables>;

  /** Throws a TypeError (`ERR_INVALID_ARG`) unless it is a store. */
  constructor(store: unknown) {
    const { read, readWrite } = (store ?? {}) as Partial<Store<TenantTables>>;
    if (typeof read !== 'function' || typeof readWrite !== 'function') throw invalidArgument('store', store, 'a Store');
    this.#store = store as Store<TenantTables>;
  }

  async read<T>(name: string, work: (db: ReadDb<TenantTables>) => Promise<T>): Promise<T> {
    return this.#store.read(work, { name });
  }

  /**
   * In its own transaction, so that no section around it undoes what others have seen. Conflicts are normal, as all
   * schedulers write the same rows, and each time one of them gets through.
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
