/** What a job carries in Redis. */
import type { Job } from 'bullmq';
import type { JobAnswer, JobLane } from '../job-source.js';

export interface JobData {
  /** By which it is stopped; BullMQ's own id is another, which the same jobs of two submitters do not share. */
  readonly id: string;
  readonly args: unknown;
}

/** Who puts something else into Redis has a job without arguments. */
export function idIn({ id = '', data }: Pick<Job<JobData>, 'id' | 'data'>): string {
  return typeof data?.id === 'string' ? data.id : id;
}

/** Name of the lane's queue: those of hosts are each for themselves. */
export function queueName(lane: JobLane, host: string | undefined): string {
  return lane === 'host' && host !== undefined ? `host-${encodeURIComponent(host)}` : lane;
}

export function isAnswer(value: unknown): value is JobAnswer {
  if (typeof value !== 'object' || value === null || !('ok' in value)) return false;
  return value.ok === true || (value.ok === false && 'error' in value);
}
