import type { BranchName } from './shared-file-cache.js';

/** Reads files of git repositories, or of anything else that has projects and branches. */
export interface FileSource {
  /**
   * The current texts of the files that `paths` name; a slash at the end stands for all files below. Missing files are left
   * out, or null. A rejection fails this branch only. It must limit its time, as a tenant waits for all its files;
   * `signal` aborts when the result is not needed any more.
   */
  files(branch: BranchName, paths: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string | null>>;
}
