/**
 * All tenants, with their projects and layouts.
 *
 * There is one snapshot at a time. It is never changed: what is new is made aside and takes its place in one step, so
 * that a reader has either the old or the new. The configuration has an ltime that only grows; so has each layout. Branch
 * caches are kept for the branches that some tenant of the snapshot uses, and for no others.
 */
import { BranchCache } from './branch-cache.js';
import { checkRoots, DEFAULT_ROOTS } from './config-path.js';
import { checkLtime } from './logical-clock.js';
import type { SharedFileCache } from './shared-file-cache.js';
import { checkTenants, type CheckedTenant, type TenantConfig } from './tenant-config.js';

/** Ltimes by project, then by branch. */
export type BranchLtimes = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Names one state of a tenant's layout: enough for another scheduler to make the same, or a later one. */
export interface LayoutState {
  readonly ltime: number;
  /** How old the files of each branch may be at most. */
  readonly minLtimes: BranchLtimes;
}

/** A tenant's layout, and what it was made from. */
export interface TenantLayout<L> extends LayoutState {
  readonly layout: L;
  readonly config: CheckedTenant;
}

/** A tenant at one moment. */
export interface Tenant<L> {
  readonly config: CheckedTenant;
  /** The last good one, undefined before the first. */
  readonly layout: TenantLayout<L> | undefined;
}

/** What all tenants together use of a project. */
export interface ProjectUse {
  readonly branches: ReadonlySet<string>;
  readonly extraPaths: ReadonlySet<string>;
}

/** All tenants at one moment. */
export interface TenantSnapshot<L> {
  /** Of the system's configuration; -1 before the first. */
  readonly ltime: number;
  readonly tenants: ReadonlyMap<string, Tenant<L>>;
  readonly projects: ReadonlyMap<string, ProjectUse>;
}

/** Every method but `cleanup` is one step. */
export class TenantRegistry<L> {
  /** Where configuration is looked for in every branch. */
  readonly roots: readonly string[];
  #snapshot: TenantSnapshot<L> = { ltime: -1, tenants: new Map(), projects: new Map() };
  /** By project, then by branch. */
  readonly #caches = new Map<string, Map<string, BranchCache>>();

  /** `roots`: default `DEFAULT_ROOTS`. Throws TypeError (`ERR_INVALID_ARG`) for what are no paths. */
  constructor(roots: readonly string[] = DEFAULT_ROOTS) {
    this.roots = checkRoots(roots);
  }

  /** All tenants as they are now. It stays as it is: keep it for as long as you want one view of them. */
  get snapshot(): TenantSnapshot<L> {
    return this.#snapshot;
  }

  /** The tenant as it is now, if there is one of this name. */
  tenant(name: string): Tenant<L> | undefined {
    return this.#snapshot.tenants.get(name);
  }

  /**
   * Makes these all the tenants there are. Those that stay keep their layouts; of those that do not nothing is left, nor of
   * the files that only they used. Gives false, and does nothing, when what is there is as new or newer.
   *
   * Throws TypeError (`ERR_INVALID_ARG`) that names the tenant and the field, and changes nothing then.
   */
  replace(tenants: readonly TenantConfig[], ltime: number): boolean {
    checkLtime('ltime', ltime);
    const checked = checkTenants(tenants, this.roots);
    const old = this.#snapshot;
    if (ltime <= old.ltime) return false;
    this.#snapshot = {
      ltime,
      tenants: new Map(checked.map(config => [config.name, { config, layout: old.tenants.get(config.name)?.layout }])),
      projects: projectsOf(checked),
    };
    this.#freeCaches();
    return true;
  }

  /**
   * Gives a tenant its layout. Gives false, and does nothing, when there is no such tenant (any more), or when it has one
   * that is as new or newer.
   */
  setLayout(name: string, layout: TenantLayout<L>): boolean {
    checkLtime('ltime', layout.ltime);
    const tenant = this.tenant(name);
    if (tenant === undefined || (tenant.layout !== undefined && tenant.layout.ltime >= layout.ltime)) return false;
    const tenants = new Map(this.#snapshot.tenants).set(name, { config: tenant.config, layout });
    this.#snapshot = { ...this.#snapshot, tenants };
    return true;
  }

  /** The files of a branch, shared by all tenants that use it; undefined when none does. */
  branchCache(project: string, branch: string): BranchCache | undefined {
    if (this.#snapshot.projects.get(project)?.branches.has(branch) !== true) return undefined;
    const branches = this.#caches.get(project) ?? new Map<string, BranchCache>();
    this.#caches.set(project, branches);
    const cache = branches.get(branch) ?? new BranchCache(this.roots);
    branches.set(branch, cache);
    return cache;
  }

  /** What any tenant wants searched in a project beside the roots. */
  extraPaths(project: string): string[] {
    return [...(this.#snapshot.projects.get(project)?.extraPaths ?? [])];
  }

  /**
   * Drops from a shared cache the projects that no tenant uses, and gives their names. It takes no lock: what is used again
   * by the time that its turn comes is left alone, and what is dropped too early is only read again.
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
