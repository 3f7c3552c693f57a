import { invalidArgument } from '../option/invalid-argument.js';
import { ExecutorError } from './executor-error.js';
import { failed, type JobAnswer, type JobFailed } from './job-answer.js';

/**
 * A queue of jobs: `execute` holds `executor:execute`, and `merger` holds `merger:merge` and `merger:cat`, for
 * whichever executor takes one first; `host` holds `executor:stop:<host>` and `executor:release:<host>` for one
 * executor.
 */
export type JobLane = 'execute' | 'host' | 'merger';

/** Something to do. */
export interface Job {
  /** For `executor:stop:<host>`, which stops all running jobs with this id there. */
  readonly id: string;
  readonly name: string;
  /** Not checked by the source. */
  readonly args: unknown;
  /** Aborts when the submitter withdraws the job: the executor stops and answers it. */
  readonly signal?: AbortSignal | undefined;
  /** Called once. A rejection is logged. */
  answer(answer: JobAnswer): Promise<void>;
}

/** A queue of jobs, in this process or elsewhere. */
export interface JobSource {
  /**
   * Waits for a job of the lane (in the lane `host`, for one for `host`) and takes it for this caller alone. Rejects
   * without taking a job if `signal` aborts. The executor logs other rejections and calls again later.
   *
   * `running`: how many jobs of the lane the taker runs. Takers with fewer jobs should come first; otherwise one may
   * get all jobs while others are idle.
   */
  take(lane: JobLane, host: string, signal: AbortSignal, running: number): Promise<Job>;

  /**
   * Removes the jobs with this id that wait in the lanes `execute` and `merger`, and answers them. Returns whether
   * there were any. `executor:stop:<host>` calls this method; without it, only running jobs can be stopped.
   */
  withdraw?(id: string): Promise<boolean>;
}

/** Does a job. What it throws counts as a failure in metrics and events, a failure that it returns as a verdict. */
export type DoJob = (args: unknown, signal: AbortSignal) => Promise<JobAnswer>;

/** The lane of a job, and its host in the lane `host`. Throws a TypeError (`ERR_INVALID_ARG`) for a name in no lane. */
export function laneOf(name: string): { readonly lane: JobLane; readonly host: string | undefined } {
  const [, who, , host] = /^(executor|merger):([^:]+)(?::(.+))?$/.exec(name) ?? [];
  if (who === 'merger') return { lane: 'merger', host: undefined };
  if (who === 'executor') return { lane: host === undefined ? 'execute' : 'host', host };
  throw invalidArgument('the name of a job', name, 'one that begins with executor: or merger:');
}

/** How long a job for one host waits for an executor of that host, ms. */
export const HOST_MS = 5000;

/** For a job of one host, where no executor takes jobs. */
export function noExecutor(host: string): JobFailed {
  const why = `the job was not run: no executor of the host ${host} takes jobs`;
  return failed(new ExecutorError('ERR_NO_EXECUTOR', why), { isTransient: true });
}

/** For takers of a closed source. */
export function closedError(): ExecutorError {
  return new ExecutorError('ERR_EXECUTOR_STOPPED', 'the job source was closed');
}

/** For submitters to a closed source. */
export function closedAnswer(): JobFailed {
  return failed(closedError());
}

/** Throws a TypeError (`ERR_INVALID_ARG`) for what is not a job. */
export function checkJob(job: Job): Job {
  if (typeof job === 'object' && job !== null && typeof job.id === 'string' && typeof job.answer === 'function')
    return job;
  throw invalidArgument('a job of the source', job, 'an object with id, name, args and the method answer');
}
