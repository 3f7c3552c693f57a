import { createHash, randomUUID } from 'node:crypto';
import type { Job } from 'bullmq';
import type { JobAnswer } from '../job-answer.js';
import type { JobLane } from '../job-source.js';

/** What a job carries in Redis. */
export interface JobData {
  /** For `executor:stop`. BullMQ's own id is different, because two submitters may use the same id. */
  readonly id: string;
  readonly args: unknown;
  /** The submitter looks for the answer in an AnswerStore; others expect it from BullMQ. */
  readonly isAnsweredApart?: boolean;
  /** By Redis's clock, ms: the job must not run after this time, even if its submitter has died. */
  readonly untilMs?: number;
}

/** A job's id in BullMQ: unique, and showing the submitter's own id to those who read only the list of jobs. */
export function newJobId(id: string): string {
  return `${randomUUID()}_${tagOf(id)}`;
}

/** Whether a job of BullMQ has this submitter's id, as far as its own id shows. */
export function hasId(jobId: string, id: string): boolean {
  return jobId === id || jobId.endsWith(`_${tagOf(id)}`);
}

function tagOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 32);
}

/** The queue may hold jobs of other programs, with other data. */
export function idIn({ id = '', data }: Pick<Job<JobData>, 'id' | 'data'>): string {
  return typeof data?.id === 'string' ? data.id : id;
}

/** Name of the lane's queue; each host has its own. */
export function queueName(lane: JobLane, host: string | undefined): string {
  return lane === 'host' && host !== undefined ? `host-${encodeURIComponent(host)}` : lane;
}

/** The key that exists while an executor of the host takes jobs. */
export function presenceKey(prefix: string, host: string): string {
  return `${prefix}:present:${encodeURIComponent(host)}`;
}

export function isAnswer(value: unknown): value is JobAnswer {
  if (typeof value !== 'object' || value === null || !('ok' in value)) return false;
  return value.ok === true || (value.ok === false && 'error' in value);
}
