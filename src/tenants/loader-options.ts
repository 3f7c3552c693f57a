/** What a config loader works with, its defaults, and the complaints about what it cannot work with. */
import { invalidArgument } from '../option/invalid-argument.js';
import { type Log, partLog, safeLog } from '../report/log.js';
import { OptionReader } from '../option/option-reader.js';
import type { FileSource } from './file-source.js';
import type { LogicalClock } from './logical-clock.js';
import { MemoryFileCache, type SharedFileCache } from './shared-file-cache.js';
import type { CheckedTenant, SystemSource } from './tenant-config.js';
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
  system: SystemSource;
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

/** The options with their defaults, checked. */
export type LoaderSettings<L> = Required<{
  readonly [K in keyof ConfigLoaderOptions<L>]: NonNullable<ConfigLoaderOptions<L>[K]>;
}>;

const DEFAULT_PARALLEL_READS = 8;

/** Of each part, the methods that are called here. */
const PARTS = {
  registry: ['tenant', 'replace', 'setLayout', 'branchCache', 'extraPaths', 'cleanup'],
  locks: ['withSystem', 'withTenant', 'tryWithTenant'],
  clock: ['next'],
  system: ['ltime', 'read'],
  files: ['files'],
  cache: ['read', 'write', 'projects', 'drop'],
} as const;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readLoaderOptions<L>(options: ConfigLoaderOptions<L>): LoaderSettings<L> {
  const reader = new OptionReader(options, [...Object.keys(PARTS), 'makeLayout', 'parallelReads', 'log']);
  const { registry, locks, clock, system, files, makeLayout, cache = new MemoryFileCache() } = options;
  const parts = { registry, locks, clock, system, files, cache };
  for (const [field, methods] of Object.entries(PARTS)) {
    const part = parts[field as keyof typeof PARTS] as unknown as Record<string, unknown> | undefined | null;
    if (typeof part !== 'object' || part === null || methods.some(method => typeof part[method] !== 'function')) {
      throw invalidArgument(field, part, `an object with the methods ${methods.join(', ')}`);
    }
  }
  if (typeof makeLayout !== 'function') throw invalidArgument('makeLayout', makeLayout, 'a function (files, tenant)');
  const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1;
  return {
    ...parts,
    makeLayout,
    parallelReads: reader.limit('parallelReads', 'an integer of 1 or more', isCount) ?? DEFAULT_PARALLEL_READS,
    log: partLog(safeLog(options.log), 'tenants'),
  };
}
