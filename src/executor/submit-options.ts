/** How a job is submitted, and when its submitter gives it up. */
import { randomUUID } from 'node:crypto';
import { type Clock, MAX_TIMER_MS } from '../wait/clock.js';
import { Deadline } from '../wait/deadline.js';
import { abortSignal, func, milliseconds, text } from '../option/option-kinds.js';
import { readOptions, type Settings, type Table } from '../option/option-table.js';
import { ExecutorError } from './executor-error.js';
import { failed, type JobFailed } from './job-answer.js';

/** Options of `submit`. */
export interface SubmitOptions {
  /** For `executor:stop:<host>` and `withdraw`. Default: a new one. */
  id?: string | undefined;
  /**
   * Gives the job up when it aborts. A waiting job is removed: it certainly did not run, and its answer is
   * `ERR_JOB_WITHDRAWN`. A job that an executor has taken is stopped there; its answer is `ERR_EXECUTOR_STOPPED`,
   * unless it ends first, or `ERR_JOB_LOST` if that executor has died.
   */
  signal?: AbortSignal | undefined;
  /** Does the same after this time, ms. Default: none. */
  timeoutMs?: number | undefined;
  /** Called once with the `host` of the executor that has taken the job, before the answer. */
  onTaken?: ((host: string) => void) | undefined;
}

export const SUBMIT = {
  id: text('a string').orElse('a new one', () => randomUUID()),
  signal: abortSignal(),
  timeoutMs: milliseconds({ above: 0, to: MAX_TIMER_MS }),
  onTaken: func<(host: string) => void>('(host)'),
} satisfies Table<SubmitOptions>;

export type Submission = Settings<typeof SUBMIT>;

/** Reads a string as the id. Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
export function readSubmitOptions(options: string | SubmitOptions = {}): Submission {
  return readOptions(SUBMIT, typeof options === 'string' ? { id: options } : options);
}

/** Ends with a reason when the submitter gives the job up. To be released. */
export function limitOf({ signal, timeoutMs }: Submission, clock: Clock): Deadline {
  if (timeoutMs === undefined) return new Deadline([signal]);
  const reason = new TimeIsUp(`its timeoutMs (${String(timeoutMs)}) has passed`);
  return new Deadline([signal], { limitMs: timeoutMs, reason, clock });
}

class TimeIsUp extends Error {}

/** For a job that no executor has taken. */
export function withdrawn(reason: unknown): JobFailed {
  const why = `the job was withdrawn before an executor took it, and was not run: ${wordsOf(reason)}`;
  return failed(new ExecutorError('ERR_JOB_WITHDRAWN', why), { isTransient: reason instanceof TimeIsUp });
}

/** For the executor of a job that was given up. */
export function givenUp(reason: unknown): ExecutorError {
  return new ExecutorError('ERR_EXECUTOR_STOPPED', `the job was stopped: ${wordsOf(reason)}`);
}

export function wordsOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}

/** Runs in a microtask: an error of the callback must not fail the job source. */
export function tell(onTaken: ((host: string) => void) | undefined, host: string): void {
  if (onTaken !== undefined) queueMicrotask(() => onTaken(host));
}
