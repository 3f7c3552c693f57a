import type { RepoName } from './repo-name.js';

/**
 * Why an executor did not do something.
 *
 * - `ERR_NO_REPOSITORY`: the repository has no URL, or its server has no such repository. Check the URL and the access.
 * - `ERR_NO_REF`: the repository has no such branch, ref or commit. Check the name.
 * - `ERR_SHALLOW`: a merge needs history that the repository's remote, a shallow clone, lacks. Run
 *   `git fetch --unshallow` there, or use the repository it was cloned from.
 * - `ERR_LINK`: a file to read is a symbolic link that leads to no file of its repository. Correct the link there.
 * - `ERR_MERGE_CONFLICT`: a change conflicts with its base in `paths`. The whole job fails; no unfinished merge
 *   remains.
 * - `ERR_COMMAND_FAILED`: a command of a job exited with a non-zero status. `report` lists what ran.
 * - `ERR_DRONE_FAILED`: the drone did not finish a command of a job. `report` lists what ran; `isTransient` states
 *   whether to try again.
 * - `ERR_PLACE_TAKEN`: files of one project occupy the place of another project of the job. No command ran.
 * - `ERR_URL_REFUSED`: `mayFetchFrom` does not allow the URL of a job's project. Nothing was fetched.
 * - `ERR_CACHE_IN_USE`: another process uses the cache's directory. Wait for that process, or use another directory.
 * - `ERR_NO_SUCH_JOB`: no executor runs jobs of this name. Nothing ran.
 * - `ERR_EXECUTOR_STOPPED`: the executor, the job source or the job was stopped. A running job ran in part.
 * - `ERR_JOB_LOST`: the outcome of a job is unknown. It may have run in part or in full, or may still run.
 * - `ERR_JOB_REFUSED`: Redis did not take the job. It certainly did not run; submit it again.
 * - `ERR_JOB_WITHDRAWN`: the job was withdrawn before an executor took it. It certainly did not run.
 * - `ERR_NO_EXECUTOR`: no executor of the host takes jobs. The job certainly did not run; submit it again.
 * - `ERR_NO_REDIS`: Redis is unreachable, or refuses the login (`cause`). Check the URL.
 * - `ERR_REDIS_CLUSTER`: Redis is in cluster mode, which is not supported, and this server does not have all keys of the
 *   source (`cause`). Use a server without cluster mode; the message names the alternative.
 * - `ERR_PACKAGE_MISSING`: a package that this job source needs is not installed. The message gives the command to
 *   install it.
 */
export type ExecutorErrorCode =
  | 'ERR_NO_REPOSITORY'
  | 'ERR_NO_REF'
  | 'ERR_SHALLOW'
  | 'ERR_LINK'
  | 'ERR_MERGE_CONFLICT'
  | 'ERR_COMMAND_FAILED'
  | 'ERR_DRONE_FAILED'
  | 'ERR_PLACE_TAKEN'
  | 'ERR_URL_REFUSED'
  | 'ERR_CACHE_IN_USE'
  | 'ERR_NO_SUCH_JOB'
  | 'ERR_EXECUTOR_STOPPED'
  | 'ERR_JOB_LOST'
  | 'ERR_JOB_REFUSED'
  | 'ERR_JOB_WITHDRAWN'
  | 'ERR_NO_EXECUTOR'
  | 'ERR_NO_REDIS'
  | 'ERR_REDIS_CLUSTER'
  | 'ERR_PACKAGE_MISSING';

/** An executor or a job source failed to do what it was asked to do. */
export class ExecutorError extends Error {
  override readonly name = 'ExecutorError';
  readonly code: ExecutorErrorCode;
  /** With `ERR_MERGE_CONFLICT`: the conflicting files. Otherwise empty. */
  readonly paths: readonly string[];
  /** The repository at fault, if it is in the cache. */
  readonly repository: RepoName | undefined;
  readonly #mayPass: boolean;

  /** @internal */
  constructor(code: ExecutorErrorCode, message: string, options: ExecutorErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.paths = options.paths ?? [];
    this.repository = options.repository;
    this.#mayPass = options.mayPass ?? code === 'ERR_CACHE_IN_USE';
  }

  /**
   * Whether the failure says nothing about the work.
   * @internal
   */
  get mayPass(): boolean {
    return this.#mayPass;
  }
}

interface ExecutorErrorOptions extends ErrorOptions {
  readonly paths?: readonly string[];
  readonly repository?: RepoName | undefined;
  /** Default: with `ERR_CACHE_IN_USE` only. */
  readonly mayPass?: boolean | undefined;
}
