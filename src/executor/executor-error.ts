/** What an executor refuses. */

/**
 * - `ERR_NO_REPOSITORY`: the repository has no URL.
 * - `ERR_NO_REF`: the repository has no such branch or commit.
 * - `ERR_NO_SUCH_JOB`: a job of a name that nobody does.
 * - `ERR_EXECUTOR_STOPPED`: it was stopped, or the job was.
 */
export type ExecutorErrorCode = 'ERR_NO_REPOSITORY' | 'ERR_NO_REF' | 'ERR_NO_SUCH_JOB' | 'ERR_EXECUTOR_STOPPED';

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
