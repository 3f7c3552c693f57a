import type { Store } from '../../store/store.js';
import { checkRoots, DEFAULT_ROOTS } from '../config-path.js';
import { checkTenants, type TenantList, type TenantListSource, type TenantConfig } from '../tenant-config.js';
import { takeLtime } from './store-logical-clock.js';
import type { TenantTables } from './tenant-tables.js';
import { TenantStore } from './tenant-store.js';

/** Before the first list is published; no ConfigLoader takes it over. */
const NOTHING: TenantList = { ltime: -1, tenants: [] };

/**
 * Holds the list of tenants in a row of a table that `tenantTables` creates. Any user of the store may publish a list.
 *
 *     const system = new StoreTenantListSource(store);
 *     await system.publish([{ name: 'web', projects: [{ project: 'site' }] }]);
 */
export class StoreTenantListSource<DB extends TenantTables = TenantTables> implements TenantListSource {
  readonly #store: TenantStore;
  readonly #roots: readonly string[];

  /**
   * `roots`: those of the TenantRegistry; default `DEFAULT_ROOTS`. Throws a TypeError (`ERR_INVALID_ARG`). The caller
   * closes the store.
   */
  constructor(store: Store<DB>, roots: readonly string[] = DEFAULT_ROOTS) {
    this.#store = new TenantStore(store);
    this.#roots = checkRoots(roots);
  }

  /**
   * Replaces the list of tenants and returns its ltime, which is later than those of earlier lists and of a
   * StoreLogicalClock on this store. If several lists are published at once, the latest stays.
   *
   * Rejects, and publishes nothing, with a TypeError (`ERR_INVALID_ARG`) that names the tenant and the field, and with
   * a StoreError: `ERR_SECTION_NESTING` inside a section of the same store that writes.
   */
  async publish(tenants: readonly TenantConfig[]): Promise<number> {
    const list = JSON.stringify(checkTenants(tenants, this.#roots));
    return this.#store.write('publish tenants', async tx => {
      const ltime = await takeLtime(tx);
      await tx
        .insertInto('tenant_system')
        .values({ id: 1, ltime, tenants: list })
        .onConflict(held => held.column('id').doUpdateSet({ ltime, tenants: list }))
        .execute();
      return ltime;
    });
  }

  /** As in TenantListSource; -1 before the first list. Rejects with a StoreError. */
  async ltime(): Promise<number> {
    const row = await this.#store.read('ltime of tenants', async db =>
      db.selectFrom('tenant_system').select('ltime').where('id', '=', 1).executeTakeFirst(),
    );
    return row === undefined ? NOTHING.ltime : Number(row.ltime);
  }

  /** As in TenantListSource; before the first list, no tenants and ltime -1. Rejects with a StoreError. */
  async read(): Promise<TenantList> {
    const row = await this.#store.read('tenants', async db =>
      db.selectFrom('tenant_system').select(['ltime', 'tenants']).where('id', '=', 1).executeTakeFirst(),
    );
    if (row === undefined) return NOTHING;
    return { ltime: Number(row.ltime), tenants: JSON.parse(row.tenants) as TenantConfig[] };
  }
}
