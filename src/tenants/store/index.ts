/**
 * `drone-task-queue/tenants/store`: what schedulers that share their tenants keep in a store together.
 *
 *     ConfigLoader ─► StoreLogicalClock, StoreFileCache, StoreSystemSource ─► sections of a Store ─► tables of tenantTables
 */
export { StoreLogicalClock } from './store-logical-clock.js';
export { StoreFileCache } from './store-file-cache.js';
export { StoreSystemSource } from './store-system-source.js';
export { tenantTables } from './tenant-tables.js';
export type { TenantTables } from './tenant-tables.js';
