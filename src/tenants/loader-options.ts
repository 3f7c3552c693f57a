import { func, having, integer } from '../option/option-kinds.js';
import type { Settings, Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import type { FileSource } from './file-source.js';
import type { LogicalClock } from './logical-clock.js';
import { MemoryFileCache, type SharedFileCache } from './shared-file-cache.js';
import type { CheckedTenant, TenantListSource } from './tenant-config.js';
import type { TenantLocks } from './tenant-locks.js';
import type { TenantRegistry } from './tenant-registry.js';

/** A file of a tenant's configuration, and its origin. */
export interface ConfigFile {
  readonly project: string;
  readonly branch: string;
  readonly path: string;
  readonly text: string;
}

/**
 * Creates a tenant's layout from all its files, in the order of the tenant's projects, their branches, and
 * `BranchCache.get`. Throws for broken configuration, preferably a LayoutError. It must limit its own time, because the
 * tenant's lock is held meanwhile.
 */
export type MakeLayout<L> = (files: readonly ConfigFile[], tenant: CheckedTenant) => L | Promise<L>;

/** Options of a config loader. */
export interface ConfigLoaderOptions<L> {
  /** Where tenants and layouts are kept. */
  registry: TenantRegistry<L>;
  locks: TenantLocks;
  clock: LogicalClock;
  /** The source of the list of tenants. */
  system: TenantListSource;
  /** The source of the files of their projects. */
  files: FileSource;
  makeLayout: MakeLayout<L>;
  /** A cache that several loaders may share. Default: its own. */
  cache?: SharedFileCache | undefined;
  /** How many branches to read from `files` at once. Default 8. */
  parallelReads?: number | undefined;
  /** How many of these may belong to one project, so that a project that hangs leaves room for others. Default 2. */
  parallelReadsPerProject?: number | undefined;
  /**
   * For how many tenants to create layouts at once, each under its lock. Their files are read before that. Default 8.
   */
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
