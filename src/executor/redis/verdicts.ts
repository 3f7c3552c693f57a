/** Answers to jobs that no executor has answered. */
import { ExecutorError } from '../executor-error.js';
import { failed, type JobAnswer, type JobFailure } from '../job-answer.js';

export function lost(why: string, more: Partial<JobFailure> = {}): JobAnswer {
  return failed(new ExecutorError('ERR_JOB_LOST', `the outcome of the job is unknown: ${why}`), more);
}

/** Why a job is lost: its executor has died, was stopped, or is cut off. */
export function noClaim(lockMs: number): string {
  return `its executor has not renewed its claim for lockMs (${String(lockMs)})`;
}

/** Not in Redis, or not handed out, so it was certainly not run. */
export function refused(why: string): JobAnswer {
  return failed(new ExecutorError('ERR_JOB_REFUSED', `the job was not run: ${why}`), { isTransient: true });
}
