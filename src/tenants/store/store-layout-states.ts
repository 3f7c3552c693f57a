import type { Store } from '../../store/store.js';
import type { BranchLtimes, LayoutState, TenantSnapshot } from '../tenant-registry.js';
import type { TenantTables } from './tenant-tables.js';
import { TenantStore } from './tenant-store.js';

/** A row without its tenant. */
interface State {
  readonly ltime: number;
  readonly minLtimes: string;
  readonly listLtime: number;
}

/**
 * Holds the states of layouts in a table of the store, which `tenantTables` creates: with these, each scheduler catches
 * up with the others.
 *
 *     const states = new StoreLayoutStates(store);
 *     await loader.reconfigureTenant('web', changed);
 *     await states.save(registry.snapshot);
 *     await loader.catchUp(await states.read()); // in the other schedulers, every few seconds
 */
export class StoreLayoutStates<DB extends TenantTables = TenantTables> {
  readonly #store: TenantStore;

  /** Throws a TypeError (`ERR_INVALID_ARG`) unless it is a store, which the caller closes. */
  constructor(store: Store<DB>) {
    this.#store = new TenantStore(store);
  }

  /**
   * Saves the states of layouts that are later than those in the table, and drops the states of tenants that are
   * neither in the snapshot's list nor in a later one. Writes nothing if there is nothing new.
   *
   * Rejects with a StoreError; `ERR_SECTION_NESTING` inside a section of the same store that writes.
   */
  async save(snapshot: TenantSnapshot<unknown>): Promise<void> {
    const { changed, gone } = differences(await this.#rows(), snapshot);
    if (changed.size === 0 && gone.length === 0) return;
    await this.#store.write('save layout states', async tx => {
      for (const [tenant, { ltime, minLtimes: min_ltimes, listLtime: list_ltime }] of changed) {
        await tx
          .insertInto('tenant_layouts')
          .values({ tenant, ltime, min_ltimes, list_ltime })
          .onConflict(held =>
            held.column('tenant').doUpdateSet({ ltime, min_ltimes }).where('tenant_layouts.ltime', '<', ltime),
          )
          .execute();
        await tx
          .updateTable('tenant_layouts')
          .set({ list_ltime })
          .where('tenant', '=', tenant)
          .where('list_ltime', '<', list_ltime)
          .execute();
      }
      for (const tenant of gone) {
        await tx
          .deleteFrom('tenant_layouts')
          .where('tenant', '=', tenant)
          .where('list_ltime', '<', snapshot.ltime)
          .execute();
      }
    });
  }

  /** For `ConfigLoader.catchUp`: the newest saved state of each tenant. Rejects with a StoreError. */
  async read(): Promise<Map<string, LayoutState>> {
    const rows = await this.#rows();
    return new Map(
      [...rows].map(([tenant, { ltime, minLtimes }]) => [tenant, { ltime, minLtimes: fromText(minLtimes) }]),
    );
  }

  async #rows(): Promise<Map<string, State>> {
    const rows = await this.#store.read('layout states', async db =>
      db.selectFrom('tenant_layouts').selectAll().orderBy('tenant').execute(),
    );
    return new Map(
      rows.map(row => {
        const { tenant, ltime, min_ltimes: minLtimes, list_ltime: listLtime } = row;
        return [tenant, { ltime: Number(ltime), minLtimes, listLtime: Number(listLtime) }];
      }),
    );
  }
}

function differences(
  rows: ReadonlyMap<string, State>,
  { ltime: listLtime, tenants }: TenantSnapshot<unknown>,
): { changed: Map<string, State>; gone: string[] } {
  const changed = new Map<string, State>();
  for (const [tenant, { layout }] of tenants) {
    const row = rows.get(tenant);
    const isLater = layout !== undefined && layout.ltime > (row?.ltime ?? -1);
    if (isLater) changed.set(tenant, { ltime: layout.ltime, minLtimes: toText(layout.minLtimes), listLtime });
    else if (row !== undefined && row.listLtime < listLtime) changed.set(tenant, { ...row, listLtime });
  }
  const gone = [...rows].filter(([tenant, row]) => !tenants.has(tenant) && row.listLtime < listLtime);
  return { changed, gone: gone.map(([tenant]) => tenant) };
}

function toText(minLtimes: BranchLtimes): string {
  const list = [...minLtimes].flatMap(([project, branches]) => [...branches].map(entry => [project, ...entry]));
  return JSON.stringify(list);
}

function fromText(text: string): BranchLtimes {
  const minLtimes = new Map<string, Map<string, number>>();
  for (const [project, branch, ltime] of JSON.parse(text) as [string, string, number][]) {
    minLtimes.set(project, (minLtimes.get(project) ?? new Map<string, number>()).set(branch, ltime));
  }
  return minLtimes;
}
