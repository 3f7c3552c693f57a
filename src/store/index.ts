/**
 * `drone-task-queue/store`: state for schedulers, read-only unless a section says otherwise.
 *
 *     Store.read / Store.readWrite ─► section (one transaction, one logical thread) ─► engine: SQLite on threads │ PostgreSQL
 */
export { Store, type ReadOptions, type ReadWriteOptions } from './store.js';
export type { StoreOptions } from './store-options.js';
export type { ReadCreator, ReadDb, ReadWriteDb, TableName } from './handles.js';
export type { MigrationReport } from './migrate.js';
export { ReadOnlyViolation, StoreError, type StoreErrorCode } from './store-error.js';
export { ContextSwitchError, type ContextSwitchErrorCode } from '../wait/section-guard.js';
export { events, subscribe, type StoreMessages } from './events.js';
export type { SectionEnd, SectionRetry, SectionSlow } from './events.js';
export type { Log } from '../report/log.js';
export type { StatsClient, StatsServer, StatsTarget } from '../report/metrics-target.js';
