import { inspect } from 'node:util';
import type { ExecuteReport } from './execute-report.js';
import { ExecutorError, type ExecutorErrorCode } from './executor-error.js';
import { GitError, type GitErrorCode, mayPass } from './git-error.js';
import type { RepoName } from './repo-name.js';

/** The answer to a job. */
export type JobAnswer<Value = unknown> = JobDone<Value> | JobFailed;

/** The job did everything that it was asked to do. */
export interface JobDone<Value = unknown> {
  readonly ok: true;
  readonly value: Value;
}

/**
 * It did not: for example, a change cannot be merged, a command failed, a repository is missing, or the executor was
 * stopped.
 */
export interface JobFailed {
  readonly ok: false;
  readonly error: JobFailure;
}

/** Why a job failed, as JSON. */
export interface JobFailure {
  /** Name of the error: `ExecutorError`, `GitError`, … */
  readonly name: string;
  readonly message: string;
  /** Null for an error without a code. */
  readonly code: ExecutorErrorCode | GitErrorCode | (string & Record<never, never>) | null;
  readonly stack: string | null;
  /**
   * The failure says nothing about the change or the commands, but concerns a server, the network, a time limit of git
   * or this machine's resources: the job may succeed later, or on another machine.
   */
  readonly isTransient: boolean;
  /** The repository at fault, if it is in the cache. */
  readonly repository?: RepoName;
  /** With `ERR_MERGE_CONFLICT`: the conflicting files. */
  readonly paths?: readonly string[];
  /** With `merger:merge`: index of the item that was not merged. */
  readonly item?: number;
  /** With `ERR_COMMAND_FAILED` and `ERR_DRONE_FAILED`: what the job had done up to then. */
  readonly report?: ExecuteReport;
}

export function failureOf(error: unknown): JobFailure {
  if (!(error instanceof Error)) {
    // Not every object can be made a string.
    const message = typeof error === 'string' ? error : inspect(error);
    return { name: 'Error', message, code: null, stack: null, isTransient: false };
  }
  const { name, message, stack = null } = error;
  const { code } = error as { code?: unknown };
  const paths = error instanceof ExecutorError && error.paths.length > 0 ? { paths: error.paths } : {};
  const { repository } = error instanceof ExecutorError || error instanceof GitError ? error : {};
  const at = repository === undefined ? {} : { repository };
  const isTransient = mayPass(error);
  return { name, message, code: typeof code === 'string' ? code : null, stack, isTransient, ...at, ...paths };
}

export function failed(error: unknown, more: Partial<JobFailure> = {}): JobFailed {
  return { ok: false, error: { ...failureOf(error), ...more } };
}
