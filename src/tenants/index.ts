/**
 * `drone-task-queue/tenants`: groups of projects, each with a configuration (its layout) and a lock of its own.
 *
 *     TenantListSource ─► ConfigLoader ─► TenantRegistry: tenants, their projects, their layouts
 *                          │ under a lock of TenantLocks
 *     FileSource ─► BranchCache (SharedFileCache) ─► your makeLayout
 */
export { ConfigLoader } from './config-loader.js';
export type { ChangedBranch, ReconfigureOptions } from './reconfigure-options.js';
export type { LayoutOutcome, LayoutProblem, LayoutReport } from './layout-report.js';
export type { ConfigFile, ConfigLoaderOptions, MakeLayout } from './loader-options.js';
export { LayoutError } from './layout-error.js';
export type { LayoutFault } from './layout-error.js';
export { TenantRegistry } from './tenant-registry.js';
export type { BranchLtimes, LayoutState, ProjectUse, Tenant, TenantLayout, TenantSnapshot } from './tenant-registry.js';
export type {
  CheckedProject,
  CheckedTenant,
  TenantList,
  TenantListSource,
  TenantConfig,
  TenantProject,
} from './tenant-config.js';
export { LockOrderError, TenantLocks } from './tenant-locks.js';
export type { ProcessLocks, TenantLocksOptions } from './tenant-locks.js';
export { BranchCache } from './branch-cache.js';
export type { BranchFile, BranchLoad, PathState } from './branch-cache.js';
export { DEFAULT_ROOTS } from './config-path.js';
export type { FileSource } from './file-source.js';
export { ReadFilesError, GitFileSource } from './git-file-source.js';
export type { CatAnswer, ReadFilesErrorCode, GitFileSourceOptions, CatRequest } from './git-file-source.js';
export { MemoryFileCache } from './shared-file-cache.js';
export type { BranchName, SharedFileCache } from './shared-file-cache.js';
export { MemoryLogicalClock } from './logical-clock.js';
export type { LogicalClock } from './logical-clock.js';
export { events, subscribe, type TenantMessages } from './events.js';
export type { LayoutEnd } from './events.js';
export type { Log } from '../report/log.js';
