/**
 * Makes layouts: the list of tenants from the system's source, their files from the branches, the layout from the files.
 *
 * A tenant is reconfigured under its own lock and no other, so tenants do not wait for each other. What it reads goes into
 * caches that only get newer, whoever else reads at the time. Its new layout takes the old one's place in one step, when
 * all of it is there and sound; otherwise the old one stays and the report says why.
 */
import { refuseInSection } from '../wait/section-guard.js';
import { isDeepStrictEqual } from 'node:util';
import { events, publish } from './events.js';
import { BranchReader, type ReadBranch } from './branch-reader.js';
import { faultText } from './layout-error.js';
import {
  problemsOf,
  Report,
  UnreadBranches,
  type BranchFailure,
  type LayoutOutcome,
  type LayoutProblem,
  type LayoutReport,
} from './layout-report.js';
import { readOptions } from '../option/option-table.js';
import { CONFIG_LOADER, type ConfigFile, type ConfigLoaderOptions, type LoaderSettings } from './loader-options.js';
import { readChanged, RECONFIGURE, type ChangedBranch, type ReconfigureOptions } from './reconfigure-options.js';
import type { CheckedTenant } from './tenant-config.js';
import type { LayoutState } from './tenant-registry.js';

/** How old a branch's files may be at most; undefined when that is not known. */
type MinLtime = (project: string, branch: string) => number | undefined;

/** Waits for a tenant's lock, and so never gives `busy`, except in `catchUp`. */
export class ConfigLoader<L> {
  readonly #settings: LoaderSettings<L>;
  readonly #branches: BranchReader;

  /** Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. Nothing is read yet. */
  constructor(options: ConfigLoaderOptions<L>) {
    this.#settings = readOptions(CONFIG_LOADER, options);
    this.#branches = new BranchReader(this.#settings);
  }

  /**
   * Takes over the list of tenants if a newer one was published; gives whether it did. However many ask at once, it is
   * taken over once. Rejects with what the source rejects with, and for a bad list with TypeError (`ERR_INVALID_ARG`); then
   * the old one stays.
   */
  async updateSystem(options: ReconfigureOptions = {}): Promise<boolean> {
    const { signal } = readOptions(RECONFIGURE, options);
    const { system, registry, locks } = this.#settings;
    if ((await system.ltime()) <= registry.snapshot.ltime) return false;
    return locks.withSystem(async () => {
      // Somebody else may have had the lock for the same reason.
      if ((await system.ltime()) <= registry.snapshot.ltime) return false;
      const { tenants, ltime } = await system.read();
      return registry.replace(tenants, ltime);
    }, signal);
  }

  /** Everything anew: no file that was read before this call counts. One tenant after the other; one's failure is its own. */
  async reconfigureAll(options: ReconfigureOptions = {}): Promise<LayoutReport> {
    const { signal } = readOptions(RECONFIGURE, options);
    const { clock, registry } = this.#settings;
    const ltime = await clock.next();
    await this.updateSystem(options);
    return this.#reconfigure([...registry.snapshot.tenants.keys()], () => ltime, signal);
  }

  /**
   * One tenant: of the branches that have changed, no file that was read before this call counts; of the others, any that
   * was ever read does.
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

  /** The tenants that the list of tenants has otherwise than when their layout was made, from files that were read before. */
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
   * Makes the layouts that other schedulers have, where those are later than ours: for the background. Passes over a tenant
   * whose lock is taken (`busy`); call it again, and that one comes up again. What is up to date is not in the report.
   */
  async catchUp(states: ReadonlyMap<string, LayoutState>, options: ReconfigureOptions = {}): Promise<LayoutReport> {
    refuseInSection('the making of layouts');
    const { signal } = readOptions(RECONFIGURE, options);
    await this.updateSystem(options);
    const { registry, locks } = this.#settings;
    const report = new Report();
    for (const [tenant, state] of states) {
      signal?.throwIfAborted();
      const isLater = (): boolean => state.ltime > (registry.tenant(tenant)?.layout?.ltime ?? -1);
      const minLtime: MinLtime = (project, branch) => state.minLtimes.get(project)?.get(branch);
      if (!isLater()) continue;
      await this.#attempt(report, tenant, signal, async () => {
        let outcome: LayoutOutcome | undefined = 'busy';
        await locks.tryWithTenant(tenant, async () => {
          outcome = isLater() ? await this.#load(tenant, minLtime, state.ltime, signal) : undefined;
        });
        return outcome;
      });
    }
    return report;
  }

  /** As `TenantRegistry.cleanup`, of the cache that this loader shares. Under no lock. */
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
    const report = new Report();
    for (const tenant of tenants) {
      signal?.throwIfAborted();
      await this.#attempt(report, tenant, signal, async () =>
        // The layout's ltime is taken under the lock, so that layouts get later in the order in which they are made.
        locks.withTenant(tenant, async () => this.#load(tenant, minLtime, await clock.next(), signal), signal),
      );
    }
    return report;
  }

  /** Whatever keeps one tenant from its layout is in the report, and the others get theirs. */
  async #attempt(
    report: Report,
    tenant: string,
    signal: AbortSignal | undefined,
    load: () => Promise<LayoutOutcome | undefined>,
  ): Promise<void> {
    const startMs = performance.now();
    let outcome: LayoutOutcome | undefined;
    let problems: LayoutProblem[] = [];
    try {
      outcome = await load();
    } catch (error) {
      signal?.throwIfAborted();
      outcome = 'failed';
      problems = problemsOf(tenant, error);
      for (const problem of problems) {
        this.#settings.log.error(`tenant ${tenant} keeps its layout: ${faultText(problem)}`, { ...problem });
      }
    }
    if (outcome === undefined) return;
    report.outcomes.set(tenant, outcome);
    report.problems.push(...problems);
    const end = { tenant, outcome, tookMs: performance.now() - startMs, problems: problems.length };
    publish(events.layoutEnd, () => end);
  }

  /** To be called under the tenant's lock. */
  async #load(
    name: string,
    minLtime: MinLtime,
    ltime: number,
    signal: AbortSignal | undefined,
  ): Promise<'loaded' | 'gone'> {
    const { registry, makeLayout } = this.#settings;
    const config = registry.tenant(name)?.config;
    if (config === undefined) return 'gone';
    const { files, minLtimes } = await this.#readFiles(config, minLtime, signal ?? new AbortController().signal);
    const layout = await makeLayout(files, config);
    signal?.throwIfAborted();
    if (registry.setLayout(name, { ltime, minLtimes, layout, config })) return 'loaded';
    if (registry.tenant(name) === undefined) return 'gone';
    throw new Error(`the clock gave ${String(ltime)}, and the layout that is there is not older than that`);
  }

  /** Reads all branches, also when one cannot be read: what was read of the others is known the next time. */
  async #readFiles(
    config: CheckedTenant,
    minLtime: MinLtime,
    signal: AbortSignal,
  ): Promise<{ files: ConfigFile[]; minLtimes: LayoutState['minLtimes'] }> {
    const wanted = config.projects.flatMap(({ project, branches, extraPaths }) =>
      branches.map(branch => ({ project, branch, extraPaths })),
    );
    const reads = await Promise.allSettled(
      wanted.map(async ({ project, branch, extraPaths }) =>
        this.#branches.read({ project, branch }, extraPaths, minLtime(project, branch), signal),
      ),
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
      this.#warnOfRoots(project, branch, read.value);
      files.push(...read.value.files.get(extraPaths).map(file => ({ project, branch, ...file })));
      minLtimes.set(project, (minLtimes.get(project) ?? new Map<string, number>()).set(branch, read.value.ltime));
    }
    if (failures.length > 0) throw new UnreadBranches(failures);
    return { files, minLtimes };
  }

  #warnOfRoots(project: string, branch: string, { files }: ReadBranch): void {
    const [used, ...unused] = files.rootsInUse();
    if (unused.length === 0) return;
    const fields = { project, branch, used, unused };
    this.#settings.log.warn(`${project} ${branch}: ${String(used)} is used, ${unused.join(', ')} not`, fields);
  }
}
