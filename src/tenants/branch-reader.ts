/** Brings the known files of a branch up to date: from memory, the shared cache, or the source. */
import type { Log } from '../report/log.js';
import { raceAbort } from '../wait/abort.js';
import { Semaphore } from '../wait/semaphore.js';
import { BranchCache, type BranchLoad } from './branch-cache.js';
import type { FileSource } from './file-source.js';
import type { LogicalClock } from './logical-clock.js';
import type { BranchName, SharedFileCache } from './shared-file-cache.js';
import type { TenantRegistry } from './tenant-registry.js';

export interface BranchReaderParts {
  readonly registry: TenantRegistry<unknown>;
  readonly clock: LogicalClock;
  readonly files: FileSource;
  readonly cache: SharedFileCache;
  /** How many branches are read from the source at once. */
  readonly parallelReads: number;
  /** How many of them may be of one project. */
  readonly parallelReadsPerProject: number;
  readonly log: Log;
}

/** Which files are wanted, and how old they may be. */
export interface WantedBranch extends BranchName {
  readonly extraPaths: readonly string[];
  /** Undefined: memory is not used, and anything in the shared cache is new enough. */
  readonly minLtime: number | undefined;
}

export interface ReadBranch {
  readonly files: BranchCache;
  /** All requested paths were searched at this ltime or later. */
  readonly ltime: number;
}

/**
 * A search of the source that waits for its turn or is in progress, which other callers may join. It ends with its last
 * waiter.
 */
interface Search {
  readonly files: BranchCache;
  readonly extraPaths: readonly string[];
  /** Lower than the ltime that the search gets. */
  readonly minLtime: number;
  readonly stop: AbortController;
  readonly ltime: Promise<number>;
  waiters: number;
  isOver: boolean;
}

export class BranchReader {
  readonly #parts: BranchReaderParts;
  readonly #reads: Semaphore;
  /** By project. */
  readonly #readsOf = new Map<string, Semaphore>();
  /** By project and branch. */
  readonly #searches = new Map<string, Set<Search>>();

  constructor(parts: BranchReaderParts) {
    this.#parts = parts;
    this.#reads = new Semaphore(parts.parallelReads);
  }

  async read(wanted: WantedBranch, signal: AbortSignal): Promise<ReadBranch> {
    const { registry } = this.#parts;
    const { project, branch, extraPaths, minLtime } = wanted;
    // A branch that the configuration has dropped since gets a cache for this one time.
    const files = registry.branchCache(project, branch) ?? new BranchCache(registry.roots);
    const known = minLtime === undefined ? undefined : files.validFor(extraPaths, minLtime);
    if (known !== undefined) return { files, ltime: known };
    const shared = await this.#loadShared(wanted, files, minLtime ?? -1);
    if (shared !== undefined) return { files, ltime: shared };

    const ltime = await this.#join(wanted, files, signal);
    return { files, ltime: files.validFor(extraPaths, ltime) ?? ltime };
  }

  /**
   * As `read`, but takes a newer search of the shared cache rather than what memory has: another scheduler may have made the
   * tenant's last layout from that, and a later layout must not have older files.
   */
  async readNewest(wanted: WantedBranch, signal: AbortSignal): Promise<ReadBranch> {
    const read = await this.read(wanted, signal);
    const newer = await this.#loadShared(wanted, read.files, read.ltime + 1);
    return newer === undefined ? read : { files: read.files, ltime: newer };
  }

  async #loadShared(wanted: WantedBranch, files: BranchCache, minLtime: number): Promise<number | undefined> {
    const { project, branch, extraPaths } = wanted;
    const { cache, log } = this.#parts;
    let load: BranchLoad | undefined;
    try {
      load = await cache.read({ project, branch }, extraPaths, minLtime);
    } catch (error) {
      log.warn(`shared files of ${project} ${branch} could not be read`, { project, branch, error });
    }
    if (load === undefined) return undefined;
    files.load(load);
    return files.validFor(extraPaths, minLtime);
  }

  /** Only a search that was asked for with the same ltime or a later one is sure to see what this caller wants to see. */
  async #join(wanted: WantedBranch, files: BranchCache, signal: AbortSignal): Promise<number> {
    const minLtime = wanted.minLtime ?? -1;
    const searches = this.#searches.get(`${wanted.project}\0${wanted.branch}`) ?? [];
    const joined = [...searches].find(
      search =>
        search.files === files &&
        search.minLtime >= minLtime &&
        !search.stop.signal.aborted &&
        wanted.extraPaths.every(path => search.extraPaths.includes(path)),
    );
    const search = joined ?? this.#start(wanted, files, minLtime);
    search.waiters += 1;
    try {
      return await raceAbort(signal, search.ltime);
    } finally {
      search.waiters -= 1;
      if (search.waiters === 0 && !search.isOver) search.stop.abort(signal.reason);
    }
  }

  #start({ project, branch, extraPaths: own }: WantedBranch, files: BranchCache, minLtime: number): Search {
    const stop = new AbortController();
    const extraPaths = [...new Set([...own, ...this.#parts.registry.extraPaths(project)])];
    const ltime = this.#inTurn(project, stop.signal, async () =>
      this.#readSource({ project, branch }, extraPaths, files, stop.signal),
    );
    const search: Search = { files, extraPaths, minLtime, stop, ltime, waiters: 0, isOver: false };
    const key = `${project}\0${branch}`;
    const searches = this.#searches.get(key) ?? new Set<Search>();
    this.#searches.set(key, searches.add(search));
    const forget = (): void => {
      search.isOver = true;
      searches.delete(search);
      if (searches.size === 0 && this.#searches.get(key) === searches) this.#searches.delete(key);
    };
    ltime.then(forget, forget);
    return search;
  }

  /** The project's turn comes first, so that branches of one that hangs do not keep the turns of others. */
  async #inTurn<T>(project: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const ofProject = this.#readsOf.get(project) ?? new Semaphore(this.#parts.parallelReadsPerProject);
    this.#readsOf.set(project, ofProject);
    try {
      return await ofProject.run(async () => this.#reads.run(work, signal), signal);
    } finally {
      if (ofProject.isEmpty && this.#readsOf.get(project) === ofProject) this.#readsOf.delete(project);
    }
  }

  async #readSource(
    branch: BranchName,
    extraPaths: readonly string[],
    files: BranchCache,
    signal: AbortSignal,
  ): Promise<number> {
    const { registry, clock, files: source, cache, log } = this.#parts;
    // Before the request, which may miss a change that comes meanwhile: that must count as newer.
    const ltime = await clock.next();
    const found = await source.files(branch, [...registry.roots, ...extraPaths], signal);
    const load = { ltime, extraPaths, files: found };
    // Throws if these are not files: an invalid search is not shared either.
    new BranchCache(registry.roots).load(load);
    // Nothing of a branch that has gone meanwhile is shared: it would be old when the branch comes back.
    if (registry.branchCache(branch.project, branch.branch) !== undefined) {
      await cache.write(branch, load).catch((error: unknown) => {
        log.warn(`files of ${branch.project} ${branch.branch} could not be shared`, { ...branch, error });
      });
    }
    // In memory last: a layout that is made from there must find the files shared when another scheduler makes the next one.
    files.load(load);
    return ltime;
  }
}
