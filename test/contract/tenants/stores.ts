/** What keeps a logical clock and a shared cache of files, for the tests that all of them have to pass. */
import { MemoryFileCache, MemoryLogicalClock, type LogicalClock, type SharedFileCache } from 'drone-task-queue/tenants';
import { Store } from 'drone-task-queue/store';
import { StoreFileCache, StoreLogicalClock, type TenantTables, tenantTables } from 'drone-task-queue/tenants/store';
import type { Place, TestDatabases } from '../store/databases.js';

export interface Shared extends AsyncDisposable {
  readonly clock: LogicalClock;
  readonly cache: SharedFileCache;
}

export interface Keeper {
  /** Goes into the names of the tests. */
  readonly name: string;
  /** An unused clock and an unused cache. */
  open(): Promise<Shared>;
}

export function keepers({ all }: TestDatabases): Keeper[] {
  const memory: Keeper = {
    name: 'memory',
    open: async () => ({
      clock: new MemoryLogicalClock(),
      cache: new MemoryFileCache(),
      [Symbol.asyncDispose]: async () => undefined,
    }),
  };
  return [memory, ...all.map(({ name, place }) => ({ name, open: async () => openShared(await place()) }))];
}

/** Other schedulers may have their tables in the same database. */
interface Tables extends TenantTables {
  job: { id: number };
}

export async function openStore(place: Place): Promise<Store<Tables>> {
  const store = await Store.open<Tables>(place);
  await store.migrate({ '1-tenants': tenantTables });
  return store;
}

export async function openShared(place: Place): Promise<Shared & { readonly store: Store<Tables> }> {
  const store = await openStore(place);
  return {
    store,
    clock: new StoreLogicalClock(store),
    cache: new StoreFileCache(store),
    [Symbol.asyncDispose]: async () => store.close(),
  };
}
