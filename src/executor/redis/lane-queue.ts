/** A lane as code sees it that adds jobs, or removes waiting ones. Uses the connection that all lanes share. */
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { JobAnswer } from '../job-answer.js';
import { hasId, type JobData } from './job-data.js';
import type { RedisLink } from './redis-link.js';
import { Renewed } from './renewed.js';

/** Kept per lane. Events are small, and a look at the jobs makes up for a lost one. */
export const MAX_EVENTS = 1000;

export type LaneQueue = Renewed<Queue<JobData, JobAnswer>>;

export function laneQueue({ bullmq, client, settings, onProblem }: RedisLink, queue: string): LaneQueue {
  const defaultJobOptions = { attempts: 1, removeOnComplete: true, removeOnFail: true };
  const streams = { events: { maxLen: MAX_EVENTS } };
  const options = { connection: client, prefix: settings.prefix, defaultJobOptions, streams };
  const make = (): Queue<JobData, JobAnswer> =>
    new bullmq.Queue<JobData, JobAnswer>(queue, options).on('error', onProblem);
  return new Renewed(make, async one => one.close());
}

/** BullMQ's reason for the failure of a job whose executor has not renewed its claim. */
export const STALLED = 'job stalled more than allowable limit';

/** Whether a waiting job was taken before and must fail: BullMQ puts it back in front until a taker fails it. */
export async function isStalled(client: Redis, queue: Pick<Queue, 'toKey'>, jobId: string): Promise<boolean> {
  return (await client.hexists(queue.toKey(jobId), 'defa')) === 1;
}

/** Removes waiting jobs with the submitter's id; events notify their submitters. Returns whether there were any. */
export async function removeWaiting(link: RedisLink, name: string, id: string): Promise<boolean> {
  const lane = laneQueue(link, name);
  try {
    return await link.patiently(async () => {
      const queue = await lane.ready();
      const jobIds = await link.client.lrange(queue.toKey('wait'), 0, -1);
      let isAny = false;
      // One that was taken in this moment stays.
      for (const jobId of jobIds.filter(one => hasId(one, id))) {
        if (await isStalled(link.client, queue, jobId)) continue;
        isAny = (await queue.remove(jobId)) === 1 || isAny;
      }
      return isAny;
    });
  } finally {
    await lane.close();
  }
}
