/** Files of branches that several schedulers or loaders share. */
import type { BranchLoad } from './branch-cache.js';

/** Names a branch. */
export interface BranchName {
  readonly project: string;
  readonly branch: string;
}

/**
 * Holds the newest search of each branch. Losing it only costs time: a ConfigLoader logs its errors and meanwhile uses
 * its own memory.
 */
export interface SharedFileCache {
  /** Returns the stored search if it is not older than `minLtime` and covers all of `extraPaths`. */
  read(branch: BranchName, extraPaths: readonly string[], minLtime: number): Promise<BranchLoad | undefined>;
  /** Stores this search in one step, unless a search with the same or a later ltime is already stored. */
  write(branch: BranchName, load: BranchLoad): Promise<void>;
  /** Projects with stored searches. */
  projects(): Promise<string[]>;
  /** Drops all searches of the project. */
  drop(project: string): Promise<void>;
}

/** Whether a search is not older than `minLtime` and covers all of `extraPaths`. */
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
