/**
 * All tenants, with their projects and layouts, in one immutable snapshot that is replaced in one step, so that a reader
 * sees either the old or the new. The ltimes of the list and of each layout only grow. Branch caches exist exactly for the
 * branches that some tenant of the snapshot uses.
 */
import { BranchCache } from './branch-cache.js';
import { checkRoots, DEFAULT_ROOTS } from './config-path.js';
import { checkLtime } from './logical-clock.js';
import type { SharedFileCache } from './shared-file-cache.js';
import { checkTenants, type CheckedTenant, type TenantConfig } from './tenant-config.js';

/** Ltimes by project, then by branch. */
export type BranchLtimes = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Identifies a state of a tenant's layout, so that another scheduler can make the same or a later one. */
export interface LayoutState {
  readonly ltime: number;
  /** The minimum ltime of the files of each branch. */
  readonly minLtimes: BranchLtimes;
}

/** A tenant's layout and its sources. */
export interface TenantLayout<L> extends LayoutState {
  readonly layout: L;
  readonly config: CheckedTenant;
}

/** A tenant at one moment. */
export interface Tenant<L> {
  readonly config: CheckedTenant;
  /** The last good layout, undefined before the first. */
  readonly layout: TenantLayout<L> | undefined;
}

/** Everything that all tenants use of one project. */
export interface ProjectUse {
  readonly branches: ReadonlySet<string>;
  readonly extraPaths: ReadonlySet<string>;
}

/** All tenants at one moment. */
export interface TenantSnapshot<L> {
  /** The ltime of the list of tenants; -1 before the first. */
  readonly ltime: number;
  readonly tenants: ReadonlyMap<string, Tenant<L>>;
  readonly projects: ReadonlyMap<string, ProjectUse>;
}

/** Holds all tenants and their layouts. Every method except `cleanup` is atomic. */
export class TenantRegistry<L> {
  /** Where to look for configuration in every branch. */
  readonly roots: readonly string[];
  #snapshot: TenantSnapshot<L> = { ltime: -1, tenants: new Map(), projects: new Map() };
  /** By project, then by branch. */
  readonly #caches = new Map<string, Map<string, BranchCache>>();
  /** By project, then by branch or extra path: when it came into use, unless that was with the first list. */
  #since: ReadonlyMap<string, Since> = new Map();

  /** `roots`: default `DEFAULT_ROOTS`. Throws a TypeError (`ERR_INVALID_ARG`) for invalid paths. */
  constructor(roots: readonly string[] = DEFAULT_ROOTS) {
    this.roots = checkRoots(roots);
  }

  /** All tenants in their current state; the object never changes. */
  get snapshot(): TenantSnapshot<L> {
    return this.#snapshot;
  }

  /** The tenant in its current state. */
  tenant(name: string): Tenant<L> | undefined {
    return this.#snapshot.tenants.get(name);
  }

  /**
   * Replaces the list of tenants. Tenants that stay keep their layouts; others are removed, with the files that only
   * they used. Returns false and does nothing unless `ltime` is newer than that of the current list.
   *
   * `now` is an ltime of the clock, which may differ from the list's: anything that this list brings into use must be
   * read at `now` or later, because its changes were not tracked before. If `now` is omitted, files of any age will do.
   *
   * Throws a TypeError (`ERR_INVALID_ARG`) that names the tenant and the field, and then changes nothing.
   */
  replace(tenants: readonly TenantConfig[], ltime: number, now?: number): boolean {
    checkLtime('ltime', ltime);
    if (now !== undefined) checkLtime('now', now);
    const checked = checkTenants(tenants, this.roots);
    const old = this.#snapshot;
    if (ltime <= old.ltime) return false;
    this.#snapshot = {
      ltime,
      tenants: new Map(checked.map(config => [config.name, { config, layout: old.tenants.get(config.name)?.layout }])),
      projects: projectsOf(checked),
    };
    this.#since = sinceOf(this.#snapshot.projects, old.projects, this.#since, now);
    this.#freeCaches();
    return true;
  }

  /** Sets a tenant's layout. Returns false and does nothing if the tenant is gone or its layout is not older. */
  setLayout(name: string, layout: TenantLayout<L>): boolean {
    checkLtime('ltime', layout.ltime);
    const tenant = this.tenant(name);
    if (tenant === undefined || (tenant.layout !== undefined && tenant.layout.ltime >= layout.ltime)) return false;
    const tenants = new Map(this.#snapshot.tenants).set(name, { config: tenant.config, layout });
    this.#snapshot = { ...this.#snapshot, tenants };
    return true;
  }

  /** The files of a branch, shared by its tenants; undefined when no tenant uses it. */
  branchCache(project: string, branch: string): BranchCache | undefined {
    if (this.#snapshot.projects.get(project)?.branches.has(branch) !== true) return undefined;
    const branches = this.#caches.get(project) ?? new Map<string, BranchCache>();
    this.#caches.set(project, branches);
    const cache = branches.get(branch) ?? new BranchCache(this.roots);
    branches.set(branch, cache);
    return cache;
  }

  /** The extra paths of all tenants for a project. */
  extraPaths(project: string): string[] {
    return [...(this.#snapshot.projects.get(project)?.extraPaths ?? [])];
  }

  /** The ltime at which the latest of these came into use; -1 if that was long ago. Files must not be older. */
  usedSince(project: string, branch: string, extraPaths: readonly string[]): number {
    const since = this.#since.get(project);
    return Math.max(since?.branches.get(branch) ?? -1, ...extraPaths.map(path => since?.extraPaths.get(path) ?? -1));
  }

  /**
   * Drops the projects that no tenant uses from a shared cache, and returns their names. Takes no lock: files that are
   * dropped too early are simply read again.
   */
  async cleanup(cache: SharedFileCache): Promise<string[]> {
    const dropped: string[] = [];
    for (const project of await cache.projects()) {
      if (this.#snapshot.projects.has(project)) continue;
      await cache.drop(project);
      dropped.push(project);
    }
    return dropped;
  }

  #freeCaches(): void {
    for (const [project, branches] of this.#caches) {
      const used = this.#snapshot.projects.get(project)?.branches;
      for (const branch of branches.keys()) if (used?.has(branch) !== true) branches.delete(branch);
      if (branches.size === 0) this.#caches.delete(project);
    }
  }
}

function projectsOf(tenants: readonly CheckedTenant[]): Map<string, ProjectUse> {
  const projects = new Map<string, { branches: Set<string>; extraPaths: Set<string> }>();
  for (const { project, branches, extraPaths } of tenants.flatMap(tenant => tenant.projects)) {
    const use = projects.get(project) ?? { branches: new Set(), extraPaths: new Set() };
    projects.set(project, use);
    for (const branch of branches) use.branches.add(branch);
    for (const path of extraPaths) use.extraPaths.add(path);
  }
  return projects;
}

interface Since {
  readonly branches: ReadonlyMap<string, number>;
  readonly extraPaths: ReadonlyMap<string, number>;
}

function sinceOf(
  used: TenantSnapshot<unknown>['projects'],
  before: TenantSnapshot<unknown>['projects'],
  since: ReadonlyMap<string, Since>,
  now: number | undefined,
): ReadonlyMap<string, Since> {
  const each = (project: string, kind: keyof ProjectUse): Map<string, number> => {
    const known = (name: string): number | undefined =>
      before.get(project)?.[kind].has(name) === true ? since.get(project)?.[kind].get(name) : now;
    const ltimes = [...(used.get(project)?.[kind] ?? [])].map(name => [name, known(name)] as const);
    return new Map(ltimes.filter((one): one is [string, number] => one[1] !== undefined));
  };
  return new Map(
    [...used.keys()].map(project => [
      project,
      { branches: each(project, 'branches'), extraPaths: each(project, 'extraPaths') },
    ]),
  );
}
