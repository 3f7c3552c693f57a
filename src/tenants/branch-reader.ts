/** Brings what is known of a branch's configuration up to date: from memory, from what others have read, or by reading it. */
import type { Log } from '../report/log.js';
import { Line } from '../wait/line.js';
import { BranchCache } from './branch-cache.js';
import type { FileSource } from './file-source.js';
import type { LogicalClock } from './logical-clock.js';
import type { BranchName, SharedFileCache } from './shared-file-cache.js';
import type { TenantRegistry } from './tenant-registry.js';

/** What a branch reader works with. */
export interface BranchReaderParts {
  readonly registry: TenantRegistry<unknown>;
  readonly clock: LogicalClock;
  readonly files: FileSource;
  readonly cache: SharedFileCache;
  /** How many branches are read from the source at once. */
  readonly parallelReads: number;
  readonly log: Log;
}

/** A branch that is up to date. */
export interface ReadBranch {
  readonly files: BranchCache;
  /** All that was asked for was looked for at this ltime or later. */
  readonly ltime: number;
}

export class BranchReader {
  readonly #parts: BranchReaderParts;
  readonly #reads: Line;

  constructor(parts: BranchReaderParts) {
    this.#parts = parts;
    this.#reads = new Line(parts.parallelReads);
  }

  /** `minLtime`: undefined when nobody knows what is new enough; then memory is not asked, others are, and any will do. */
  async read(
    branch: BranchName,
    extraPaths: readonly string[],
    minLtime: number | undefined,
    signal: AbortSignal,
  ): Promise<ReadBranch> {
    const { registry } = this.#parts;
    // Nobody else uses a branch that the configuration has dropped since: what is read of it is kept for this one time.
    const files = registry.branchCache(branch.project, branch.branch) ?? new BranchCache(registry.roots);
    const known = minLtime === undefined ? undefined : files.validFor(extraPaths, minLtime);
    if (known !== undefined) return { files, ltime: known };

    const wanted = minLtime ?? -1;
    const shared = await this.#readShared(branch, extraPaths, wanted);
    if (shared !== undefined) {
      files.load(shared);
      const ltime = files.validFor(extraPaths, wanted);
      if (ltime !== undefined) return { files, ltime };
    }

    const leave = await this.#reads.enter(signal);
    try {
      return { files, ltime: await this.#readSource(branch, extraPaths, files, signal) };
    } finally {
      leave();
    }
  }

  async #readSource(
    branch: BranchName,
    extraPaths: readonly string[],
    files: BranchCache,
    signal: AbortSignal,
  ): Promise<number> {
    const { registry, clock, files: source, cache, log } = this.#parts;
    const all = [...new Set([...extraPaths, ...registry.extraPaths(branch.project)])];
    // Before the request: a change that comes while it runs may have been missed, and must count as newer.
    const ltime = await clock.next();
    const found = await source.files(branch, [...registry.roots, ...all], signal);
    const load = { ltime, extraPaths: all, files: found };
    files.load(load);
    await cache.write(branch, load).catch((error: unknown) => {
      log.warn(`files of ${branch.project} ${branch.branch} could not be shared`, { ...branch, error });
    });
    return files.validFor(extraPaths, ltime) ?? ltime;
  }

  async #readShared(
    branch: BranchName,
    extraPaths: readonly string[],
    minLtime: number,
  ): ReturnType<SharedFileCache['read']> {
    const { cache, log } = this.#parts;
    try {
      return await cache.read(branch, extraPaths, minLtime);
    } catch (error) {
      log.warn(`shared files of ${branch.project} ${branch.branch} could not be read`, { ...branch, error });
      return undefined;
    }
  }
}
