/** Where the files of a branch come from. */
import type { BranchName } from './shared-file-cache.js';

/** Reads files of git repositories, or of whatever else has projects and branches. */
export interface FileSource {
  /**
   * The text of all files, as the branch is now, that `paths` name: files, and folders with a slash at the end, each with
   * everything below it. What is not there is left out, or null. A rejection fails this branch only.
   *
   * `signal` is aborted when nobody waits for it any more. It has to bound its time itself: a tenant's lock is held
   * meanwhile.
   */
  files(branch: BranchName, paths: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string | null>>;
}
