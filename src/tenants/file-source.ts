import type { BranchName } from './shared-file-cache.js';

/** Reads files of git repositories, or of anything else that has projects and branches. */
export interface FileSource {
  /**
   * Returns the current texts of the files that `paths` name; a slash at the end stands for all files below. Missing
   * files are omitted, or null. A rejection fails only this branch. The method must limit its own time, because a
   * tenant waits for all its files; `signal` aborts when the result is no longer needed.
   */
  files(branch: BranchName, paths: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string | null>>;
}
