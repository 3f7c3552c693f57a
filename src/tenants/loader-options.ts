/** The options of a config loader. */
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
 * Makes a tenant's layout of all its files: projects in the tenant's order, then branches in the project's, then files as
 * `BranchCache.get` gives them. Throws for configuration that is broken, best a LayoutError. It must be quick or bound
 * its time: the tenant's lock is held meanwhile.
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
  /** For what has been read by several loaders. Default: one of its own. */
  cache?: SharedFileCache | undefined;
  /** How many branches are read from `files` at once. Default 8. */
  parallelReads?: number | undefined;
  /** Default: silent. */
  log?: Log | undefined;
}

export const CONFIG_LOADER = {
  registry: having<TenantRegistry<never>>('tenant', 'replace', 'setLayout', 'branchCache', 'extraPaths', 'cleanup')
    .required,
  locks: having<TenantLocks>('withSystem', 'withTenant', 'tryWithTenant').required,
  clock: having<LogicalClock>('next').required,
  system: having<TenantListSource>('ltime', 'read').required,
  files: having<FileSource>('files').required,
  makeLayout: func<MakeLayout<never>>('(files, tenant)').required,
  cache: having<SharedFileCache>('read', 'write', 'projects', 'drop').orElse('its own', () => new MemoryFileCache()),
  parallelReads: integer({ from: 1 }).or(8),
  log: logOption('tenants'),
} satisfies Table<ConfigLoaderOptions<never>>;

/** The options with their defaults, checked. */
export type LoaderSettings<L> = Required<Settings<typeof CONFIG_LOADER>> & {
  readonly registry: TenantRegistry<L>;
  readonly makeLayout: MakeLayout<L>;
};
