/**
 * `drone-task-queue/tenants/store`: what schedulers that share their tenants keep in a store together.
 *
 *     ConfigLoader ─► StoreLogicalClock, StoreFileCache, StoreTenantListSource ─┐
 *     you          ─► StoreLayoutStates ─► sections of a Store ─► tables of tenantTables
 */
export { StoreLogicalClock } from './store-logical-clock.js';
export { StoreFileCache } from './store-file-cache.js';
export { StoreLayoutStates } from './store-layout-states.js';
export { StoreTenantListSource } from './store-tenant-list-source.js';
export { tenantTables } from './tenant-tables.js';
export type { TenantTables } from './tenant-tables.js';
