/** What an executor refuses. */

/**
 * - `ERR_NO_REPOSITORY`: the repository has no URL.
 * - `ERR_NO_REF`: the repository has no such branch or commit.
 * - `ERR_PLACE_TAKEN`: a project's files lie where another project of the job is to be.
 * - `ERR_URL_REFUSED`: a job's project is to be fetched from a URL that `mayFetchFrom` does not allow.
 * - `ERR_CACHE_IN_USE`: another process works in the cache's folder.
 * - `ERR_NO_SUCH_JOB`: a job of a name that nobody does.
 * - `ERR_EXECUTOR_STOPPED`: it was stopped, or the job was.
 * - `ERR_JOB_LOST`: what became of a job is not known: it may have been done in part or in full, or may still be done.
 * - `ERR_NO_REDIS`: Redis could not be reached, or lets nobody in (`cause`).
 * - `ERR_PACKAGE_MISSING`: a package that this source of jobs needs is not installed; the message has the command.
 */
export type ExecutorErrorCode =
  | 'ERR_NO_REPOSITORY'
  | 'ERR_NO_REF'
  | 'ERR_PLACE_TAKEN'
  | 'ERR_URL_REFUSED'
  | 'ERR_CACHE_IN_USE'
  | 'ERR_NO_SUCH_JOB'
  | 'ERR_EXECUTOR_STOPPED'
  | 'ERR_JOB_LOST'
  | 'ERR_NO_REDIS'
  | 'ERR_PACKAGE_MISSING';

/** Something that an executor did not do, and why. */
export class ExecutorError extends Error {
  override readonly name = 'ExecutorError';
  readonly code: ExecutorErrorCode;

  /** @internal */
  constructor(code: ExecutorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
