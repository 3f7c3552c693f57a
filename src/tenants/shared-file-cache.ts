/** What several schedulers, or several loaders of one, know together of the files of branches. */
import type { BranchLoad } from './branch-cache.js';

/** Names a branch. */
export interface BranchName {
  readonly project: string;
  readonly branch: string;
}

/**
 * Holds the newest search of each branch. It is a cache: who loses it, or clears it, loses time and nothing else. What it
 * throws, a ConfigLoader logs, and reads the files themselves.
 */
export interface SharedFileCache {
  /** The search that is held if it is not older than `minLtime` and was for all of `extraPaths`, or more. */
  read(branch: BranchName, extraPaths: readonly string[], minLtime: number): Promise<BranchLoad | undefined>;
  /** Holds this search, unless one of the same or a later ltime is held: then nothing happens. In one step for all. */
  write(branch: BranchName, load: BranchLoad): Promise<void>;
  /** Of which projects something is held. */
  projects(): Promise<string[]>;
  /** Holds nothing of the project any more. */
  drop(project: string): Promise<void>;
}

/** Whether a search is not older than `minLtime` and was for all of `extraPaths`. */
export function serves(held: BranchLoad, extraPaths: readonly string[], minLtime: number): boolean {
  return held.ltime >= minLtime && extraPaths.every(path => held.extraPaths.includes(path));
}

/** A cache for the loaders of one process. */
export class MemoryFileCache implements SharedFileCache {
  /** By project, then by branch. */
  readonly #loads = new Map<string, Map<string, BranchLoad>>();

  async read(
    { project, branch }: BranchName,
    extraPaths: readonly string[],
    minLtime: number,
  ): Promise<BranchLoad | undefined> {
    const held = this.#loads.get(project)?.get(branch);
    return held !== undefined && serves(held, extraPaths, minLtime) ? held : undefined;
  }

  async write({ project, branch }: BranchName, { ltime, extraPaths, files }: BranchLoad): Promise<void> {
    const branches = this.#loads.get(project) ?? new Map<string, BranchLoad>();
    this.#loads.set(project, branches);
    const held = branches.get(branch);
    if (held !== undefined && held.ltime >= ltime) return;
    branches.set(branch, { ltime, extraPaths: [...extraPaths], files: new Map(files) });
  }

  async projects(): Promise<string[]> {
    return [...this.#loads.keys()];
  }

  async drop(project: string): Promise<void> {
    this.#loads.delete(project);
  }
}
