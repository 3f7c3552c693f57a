import { func, having, integer } from '../option/option-kinds.js';
import type { Settings, Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import type { FileSource } from './file-source.js';
import type { LogicalClock } from './logical-clock.js';
import { MemoryFileCache, type SharedFileCache } from './shared-file-cache.js';
import type { CheckedTenant, TenantListSource } from './tenant-config.js';
import type { TenantLocks } from './tenant-locks.js';
import type { TenantRegistry } from './tenant-registry.js';

/** A file of a tenant's configuration, and where it is from. */
export interface ConfigFile {
  readonly project: string;
  readonly branch: string;
  readonly path: string;
  readonly text: string;
}

/**
 * Makes a tenant's layout of all its files, in the order of the tenant's projects, their branches, and `BranchCache.get`.
 * Throws for broken configuration, best a LayoutError. It must limit its time, as the tenant's lock is held meanwhile.
 */
export type MakeLayout<L> = (files: readonly ConfigFile[], tenant: CheckedTenant) => L | Promise<L>;

/** What a config loader works with. */
export interface ConfigLoaderOptions<L> {
  /** Where tenants and layouts are kept. */
  registry: TenantRegistry<L>;
  locks: TenantLocks;
  clock: LogicalClock;
  /** Where the list of tenants comes from. */
  system: TenantListSource;
  /** Where the files of their projects come from. */
  files: FileSource;
  makeLayout: MakeLayout<L>;
  /** Shared by several loaders. Default: its own. */
  cache?: SharedFileCache | undefined;
  /** How many branches are read from `files` at once. Default 8. */
  parallelReads?: number | undefined;
  /** How many of these may be of one project, so that one that hangs leaves room for others. Default 2. */
  parallelReadsPerProject?: number | undefined;
  /** Of how many tenants layouts are made at once, each under its lock. Their files are read before. Default 8. */
  parallelTenants?: number | undefined;
  /** Default: silent. */
  log?: Log | undefined;
}

export const CONFIG_LOADER = {
  registry: having<TenantRegistry<never>>(
    'tenant',
    'replace',
    'setLayout',
    'branchCache',
    'extraPaths',
    'usedSince',
    'cleanup',
  ).required,
  locks: having<TenantLocks>('withSystem', 'withTenant', 'tryWithTenant').required,
  clock: having<LogicalClock>('next').required,
  system: having<TenantListSource>('ltime', 'read').required,
  files: having<FileSource>('files').required,
  makeLayout: func<MakeLayout<never>>('(files, tenant)').required,
  cache: having<SharedFileCache>('read', 'write', 'projects', 'drop').orElse('its own', () => new MemoryFileCache()),
  parallelReads: integer({ from: 1 }).or(8),
  parallelReadsPerProject: integer({ from: 1 }).or(2),
  parallelTenants: integer({ from: 1 }).or(8),
  log: logOption('tenants'),
} satisfies Table<ConfigLoaderOptions<never>>;

/** The options with their defaults, checked. */
export type LoaderSettings<L> = Required<Settings<typeof CONFIG_LOADER>> & {
  readonly registry: TenantRegistry<L>;
  readonly makeLayout: MakeLayout<L>;
};
