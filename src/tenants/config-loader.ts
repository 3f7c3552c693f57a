/**
 * Makes layouts: the list of tenants from its source, their files from the branches, the layout from the files.
 *
 * Tenants are reconfigured side by side. The files of each are read first, without a lock; then its layout is made under its
 * own lock. So a repository that hangs holds up its own tenants only. Files go into caches that only get newer. A complete
 * layout replaces the old one in one step; otherwise the old one stays and the report says why.
 */
import { refuseInSection } from '../wait/section-guard.js';
import { Semaphore } from '../wait/semaphore.js';
import { isDeepStrictEqual } from 'node:util';
import { events, publish } from './events.js';
import { BranchReader, type ReadBranch } from './branch-reader.js';
import { faultText } from './layout-error.js';
import { fieldsOf, problemsOf, Report, UnreadBranches } from './layout-report.js';
import type { BranchFailure, LayoutOutcome, LayoutProblem, LayoutReport } from './layout-report.js';
import { readOptions } from '../option/option-table.js';
import { CONFIG_LOADER, type ConfigFile, type ConfigLoaderOptions, type LoaderSettings } from './loader-options.js';
import { readChanged, RECONFIGURE, type ChangedBranch, type ReconfigureOptions } from './reconfigure-options.js';
import type { CheckedTenant } from './tenant-config.js';
import type { LayoutState, TenantSnapshot } from './tenant-registry.js';

/** How old a branch's files may be; undefined when that is unknown. */
type MinLtime = (project: string, branch: string) => number | undefined;

interface Branch {
  readonly project: string;
  readonly branch: string;
  readonly extraPaths: readonly string[];
}

/** One tenant's part of a report. */
interface Attempt {
  readonly outcome: LayoutOutcome | undefined;
  readonly problems: readonly LayoutProblem[];
}

/** Creates tenants' layouts from their files. It waits for tenants' locks; only `catchUp` reports `busy` instead. */
export class ConfigLoader<L> {
  readonly #settings: LoaderSettings<L>;
  readonly #branches: BranchReader;
  readonly #making: Semaphore;

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. Nothing is read yet. */
  constructor(options: ConfigLoaderOptions<L>) {
    this.#settings = readOptions(CONFIG_LOADER, options);
    this.#branches = new BranchReader(this.#settings);
    this.#making = new Semaphore(this.#settings.parallelTenants);
  }

  /**
   * Adopts a newer list of tenants, only once for any number of callers; returns whether there was one. Whatever
   * returns to the list is read again for the next layout. Rejects as the source and the clock do, and for an invalid
   * list with a TypeError (`ERR_INVALID_ARG`); in these cases the old list stays.
   */
  async updateSystem(options: ReconfigureOptions = {}): Promise<boolean> {
    const { signal } = readOptions(RECONFIGURE, options);
    const { system, registry, locks, clock } = this.#settings;
    if ((await system.ltime()) <= registry.snapshot.ltime) return false;
    return locks.withSystem(async () => {
      // Another caller may have done it under the lock.
      if ((await system.ltime()) <= registry.snapshot.ltime) return false;
      const { tenants, ltime } = await system.read();
      // Files of the first list may be shared ones: another scheduler has kept them up to date.
      const now = registry.snapshot.ltime < 0 ? undefined : await clock.next();
      const old = registry.snapshot;
      const isReplaced = registry.replace(tenants, ltime, now);
      if (isReplaced) await this.#dropUnused(old.projects);
      return isReplaced;
    }, signal);
  }

  /** Reads all files again and creates all layouts, of several tenants at once. A failure affects only its tenant. */
  async reconfigureAll(options: ReconfigureOptions = {}): Promise<LayoutReport> {
    const { signal } = readOptions(RECONFIGURE, options);
    const { clock, registry } = this.#settings;
    const ltime = await clock.next();
    await this.updateSystem(options);
    return this.#reconfigure([...registry.snapshot.tenants.keys()], () => ltime, signal);
  }

  /**
   * Creates one tenant's layout: files of changed branches are read again, those of other branches only if they have
   * not been read since the branch entered the list of tenants.
   */
  async reconfigureTenant(
    tenant: string,
    changed: readonly ChangedBranch[],
    options: ReconfigureOptions = {},
  ): Promise<LayoutReport> {
    const { signal } = readOptions(RECONFIGURE, options);
    const branches = readChanged(changed);
    const ltime = await this.#settings.clock.next();
    await this.updateSystem(options);
    const hasChanged: MinLtime = (project, branch) =>
      branches.some(one => one.project === project && (one.branch ?? branch) === branch) ? ltime : -1;
    return this.#reconfigure([tenant], hasChanged, signal);
  }

  /**
   * Creates the layouts of tenants whose entry in the list has changed since their last layout, from files read before.
   */
  async reconfigureChanged(options: ReconfigureOptions = {}): Promise<LayoutReport> {
    const { signal } = readOptions(RECONFIGURE, options);
    await this.updateSystem(options);
    const changed = [...this.#settings.registry.snapshot.tenants.values()].filter(
      ({ config, layout }) => layout === undefined || !isDeepStrictEqual(config, layout.config),
    );
    const names = changed.map(({ config }) => config.name);
    return this.#reconfigure(names, () => -1, signal);
  }

  /**
   * Creates the layouts of which other schedulers have later versions than ours, in the background, from states such as
   * those of a StoreLayoutStates. A tenant whose lock is taken is `busy`; the next call tries again. Tenants that are
   * up to date are not in the report.
   */
  async catchUp(states: ReadonlyMap<string, LayoutState>, options: ReconfigureOptions = {}): Promise<LayoutReport> {
    refuseInSection('the making of layouts');
    const { signal } = readOptions(RECONFIGURE, options);
    await this.updateSystem(options);
    const { registry, locks } = this.#settings;
    const isLater = (tenant: string, { ltime }: LayoutState): boolean =>
      ltime > (registry.tenant(tenant)?.layout?.ltime ?? -1);
    const later = new Map([...states].filter(([tenant, state]) => isLater(tenant, state)));
    return this.#attemptAll([...later.keys()], signal, async tenant => {
      const state = later.get(tenant);
      if (state === undefined) return undefined;
      const minLtime: MinLtime = (project, branch) => state.minLtimes.get(project)?.get(branch);
      await this.#readAhead(tenant, minLtime, signal);
      let outcome: LayoutOutcome | undefined = 'busy';
      const load = async (): Promise<void> => {
        outcome = isLater(tenant, state) ? await this.#load(tenant, minLtime, state.ltime, signal) : undefined;
      };
      await this.#making.run(async () => locks.tryWithTenant(tenant, load), signal);
      return outcome;
    });
  }

  /** Like `TenantRegistry.cleanup`, for the cache that this loader shares. Takes no lock. */
  async cleanup(): Promise<string[]> {
    refuseInSection('the cleanup of the shared cache');
    return this.#settings.registry.cleanup(this.#settings.cache);
  }

  async #reconfigure(
    tenants: readonly string[],
    minLtime: MinLtime,
    signal: AbortSignal | undefined,
  ): Promise<LayoutReport> {
    refuseInSection('the making of layouts');
    const { locks, clock } = this.#settings;
    return this.#attemptAll(tenants, signal, async tenant => {
      await this.#readAhead(tenant, minLtime, signal);
      // Under the lock, so that ltimes grow in the order in which layouts are made.
      const load = async (): Promise<LayoutOutcome> => this.#load(tenant, minLtime, await clock.next(), signal);
      return this.#making.run(async () => locks.withTenant(tenant, load, signal), signal);
    });
  }

  /** The report is in the order of `tenants`. Once aborted, it rejects when all attempts have ended. */
  async #attemptAll(
    tenants: readonly string[],
    signal: AbortSignal | undefined,
    load: (tenant: string) => Promise<LayoutOutcome | undefined>,
  ): Promise<LayoutReport> {
    signal?.throwIfAborted();
    const attempts = await Promise.all(tenants.map(async tenant => this.#attempt(tenant, signal, load)));
    const report = new Report();
    for (const [at, attempt] of attempts.entries()) {
      if (attempt === 'aborted') signal?.throwIfAborted();
      if (attempt === 'aborted' || attempt.outcome === undefined) continue;
      report.outcomes.set(tenants[at] ?? '', attempt.outcome);
      report.problems.push(...attempt.problems);
    }
    return report;
  }

  /** A failure is in the report and does not affect other tenants. */
  async #attempt(
    tenant: string,
    signal: AbortSignal | undefined,
    load: (tenant: string) => Promise<LayoutOutcome | undefined>,
  ): Promise<Attempt | 'aborted'> {
    const startMs = performance.now();
    let outcome: LayoutOutcome | undefined;
    let problems: LayoutProblem[] = [];
    try {
      outcome = await load(tenant);
    } catch (error) {
      if (signal?.aborted === true) return 'aborted';
      outcome = 'failed';
      problems = problemsOf(tenant, error);
      const { log, registry } = this.#settings;
      const what = registry.tenant(tenant)?.layout === undefined ? 'has no layout' : 'keeps its layout';
      for (const problem of problems) log.error(`tenant ${tenant} ${what}: ${faultText(problem)}`, fieldsOf(problem));
    }
    if (outcome !== undefined) {
      const end = { tenant, outcome, tookMs: performance.now() - startMs, problems: problems.length };
      publish(events.layoutEnd, () => end);
    }
    return { outcome, problems };
  }

  /** Without a lock, so that a slow repository holds up only its own tenants. */
  async #readAhead(tenant: string, minLtime: MinLtime, signal: AbortSignal | undefined): Promise<void> {
    const config = this.#settings.registry.tenant(tenant)?.config;
    if (config !== undefined) await this.#readFiles(config, minLtime, 'read', signal);
  }

  /** Under the tenant's lock. */
  async #load(
    name: string,
    minLtime: MinLtime,
    ltime: number,
    signal: AbortSignal | undefined,
  ): Promise<'loaded' | 'gone'> {
    const { registry, makeLayout } = this.#settings;
    const config = registry.tenant(name)?.config;
    if (config === undefined) return 'gone';
    const { files, minLtimes } = await this.#readFiles(config, minLtime, 'readNewest', signal);
    const layout = await makeLayout(files, config);
    signal?.throwIfAborted();
    if (registry.setLayout(name, { ltime, minLtimes, layout, config })) return 'loaded';
    if (registry.tenant(name) === undefined) return 'gone';
    throw new Error(`the clock returned ${String(ltime)}, but the existing layout is not older`);
  }

  /** Reads all branches even if one fails, as the others need not be read the next time. */
  async #readFiles(
    config: CheckedTenant,
    minLtime: MinLtime,
    how: 'read' | 'readNewest',
    signal = new AbortController().signal,
  ): Promise<{ files: ConfigFile[]; minLtimes: LayoutState['minLtimes'] }> {
    const wanted = config.projects.flatMap(({ project, branches, extraPaths }) =>
      branches.map(branch => ({ project, branch, extraPaths })),
    );
    const reads = await Promise.allSettled(
      wanted.map(async of => this.#branches[how]({ ...of, minLtime: this.#minLtimeOf(of, minLtime) }, signal)),
    );
    const failures: BranchFailure[] = [];
    const files: ConfigFile[] = [];
    const minLtimes = new Map<string, Map<string, number>>();
    for (const [at, { project, branch, extraPaths }] of wanted.entries()) {
      const read = reads[at];
      if (read?.status !== 'fulfilled') {
        failures.push({ project, branch, error: read?.reason });
        continue;
      }
      if (how === 'readNewest') this.#warnOfRoots(project, branch, read.value);
      files.push(...read.value.files.get(extraPaths).map(file => ({ project, branch, ...file })));
      minLtimes.set(project, (minLtimes.get(project) ?? new Map<string, number>()).set(branch, read.value.ltime));
    }
    if (failures.length > 0) throw new UnreadBranches(failures);
    return { files, minLtimes };
  }

  /** What came into the list of tenants is not older than that: no scheduler has followed its changes before. */
  #minLtimeOf({ project, branch, extraPaths }: Branch, minLtime: MinLtime): number | undefined {
    const asked = minLtime(project, branch);
    const since = this.#settings.registry.usedSince(project, branch, extraPaths);
    return since < 0 ? asked : Math.max(asked ?? -1, since);
  }

  /** So that a scheduler that starts later does not find files that no scheduler kept up to date. */
  async #dropUnused(old: TenantSnapshot<L>['projects']): Promise<void> {
    const { registry, cache, log } = this.#settings;
    const { projects } = registry.snapshot;
    const lost = [...old].filter(([project, { branches, extraPaths }]) => {
      const use = projects.get(project);
      const isUsed = [...branches].every(branch => use?.branches.has(branch) === true);
      return !isUsed || [...extraPaths].some(path => use?.extraPaths.has(path) !== true);
    });
    for (const [project] of lost) {
      await cache.drop(project).catch((error: unknown) => {
        log.warn(`shared files of ${project} could not be dropped`, { project, error });
      });
    }
  }

  #warnOfRoots(project: string, branch: string, { files }: ReadBranch): void {
    const [used, ...unused] = files.rootsInUse();
    if (unused.length === 0) return;
    const fields = { project, branch, used, unused };
    this.#settings.log.warn(`${project} ${branch}: ${String(used)} is used, but not ${unused.join(', ')}`, fields);
  }
}
