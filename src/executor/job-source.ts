/** Where an executor's jobs come from, and how they are answered. */
import { inspect } from 'node:util';
import { invalidArgument } from '../option/invalid-argument.js';
import { ExecutorError } from './executor-error.js';

/**
 * Which jobs are asked for.
 *
 * - `execute`: `executor:execute`, for whichever executor takes it first.
 * - `host`: `executor:stop:<host>` and `executor:release:<host>`, for one executor.
 * - `merger`: `merger:merge` and `merger:cat`, for whichever executor takes it first.
 */
export type JobLane = 'execute' | 'host' | 'merger';

/** Something to do. */
export interface Job {
  /** For `executor:stop:<host>`, which stops all of them that run there. */
  readonly id: string;
  readonly name: string;
  /** Not checked by the source. */
  readonly args: unknown;
  /** Called once. A rejection is logged. */
  answer(answer: JobAnswer): Promise<void>;
}

/** What came of a job: a value, or why there is none. */
export type JobAnswer = JobDone | JobFailed;

/** It was done; a job of commands that failed was done, too. */
export interface JobDone {
  readonly ok: true;
  readonly value: unknown;
}

/** It was not done, or only in part. */
export interface JobFailed {
  readonly ok: false;
  readonly error: JobFailure;
}

/** Why a job was not done. */
export interface JobFailure {
  readonly name: string;
  readonly message: string;
  readonly code: string | null;
  readonly stack: string | null;
}

/** A queue of jobs, in this process or far away. */
export interface JobSource {
  /**
   * Waits for a job of the lane and takes it: no one else gets it. Of the lane `host`, those for `host`. Rejects when
   * `signal` is aborted, and has taken none then. Another rejection is logged, and it is called again later.
   *
   * `running`: how many jobs of the lane the taker does by now. Of several takers those who do fewer are to come first, or
   * one of them may get all jobs while the others are idle.
   */
  take(lane: JobLane, host: string, signal: AbortSignal, running: number): Promise<Job>;
}

/** Does a job; gives the value to answer with. */
export type DoJob = (args: unknown, signal: AbortSignal) => Promise<unknown>;

/** Which lane a job is in, and for whom it is. Throws TypeError (`ERR_INVALID_ARG`) for a name that is in none. */
export function laneOf(name: string): { readonly lane: JobLane; readonly host: string | undefined } {
  const [, who, , host] = /^(executor|merger):([^:]+)(?::(.+))?$/.exec(name) ?? [];
  if (who === 'merger') return { lane: 'merger', host: undefined };
  if (who === 'executor') return { lane: host === undefined ? 'execute' : 'host', host };
  throw invalidArgument('the name of a job', name, 'one that begins with executor: or merger:');
}

/** What a source that was closed says to those who take. */
export function closedError(): ExecutorError {
  return new ExecutorError('ERR_EXECUTOR_STOPPED', 'the job source was closed');
}

/** And to those who wait for an answer. */
export function closedAnswer(): JobFailed {
  return { ok: false, error: failureOf(closedError()) };
}

/** What came from a source. Throws TypeError (`ERR_INVALID_ARG`) for what is no job. */
export function checkJob(job: Job): Job {
  if (typeof job === 'object' && job !== null && typeof job.id === 'string' && typeof job.answer === 'function')
    return job;
  throw invalidArgument('a job of the source', job, 'an object with id, name, args and the method answer');
}

export function failureOf(error: unknown): JobFailure {
  if (!(error instanceof Error)) {
    // Not every object can be made a string.
    const message = typeof error === 'string' ? error : inspect(error);
    return { name: 'Error', message, code: null, stack: null };
  }
  const { name, message, stack = null } = error;
  const { code } = error as { code?: unknown };
  return { name, message, code: typeof code === 'string' ? code : null, stack };
}
