/**
 * Puts jobs into one lane and waits for their answers.
 *
 * BullMQ tells of answers as they come; what was not told (the connection was gone, or Redis itself) is found by looking at
 * the jobs, every few seconds while somebody waits. A job that is not in Redis any more is lost, with all others of a
 * Redis that has forgotten them.
 */
import { randomUUID } from 'node:crypto';
import type { Queue } from 'bullmq';
import type { Timer } from '../../wait/clock.js';
import { ExecutorError } from '../executor-error.js';
import { failureOf, type JobAnswer } from '../job-source.js';
import { isAnswer, type JobData } from './job-data.js';
import { LaneEvents } from './lane-events.js';
import type { RedisLink } from './redis-link.js';

const LOOK_MS = 5000;
/** Answers stay so long for those who were cut off from Redis. */
const KEEP_S = 3600;

interface Waiting {
  readonly resolve: (answer: JobAnswer) => void;
  /** Redis has it. */
  isIn: boolean;
}

export class LaneAsker {
  readonly #link: RedisLink;
  readonly #queue: Queue<JobData, JobAnswer>;
  readonly #events: LaneEvents;
  readonly #forget: () => void;
  readonly #onIdle: () => void;
  readonly #waiting = new Map<string, Waiting>();
  #look: Timer | undefined;

  /** `onIdle` is called whenever nobody waits any more. */
  constructor(link: RedisLink, queue: string, onIdle: () => void) {
    const { bullmq, client: connection, settings, onProblem } = link;
    const { prefix } = settings;
    this.#link = link;
    this.#onIdle = onIdle;
    const removal = { age: KEEP_S };
    this.#queue = new bullmq.Queue(queue, {
      connection,
      prefix,
      defaultJobOptions: { attempts: 1, removeOnComplete: removal, removeOnFail: removal },
    });
    this.#queue.on('error', onProblem);
    this.#events = new LaneEvents(link, queue, events => {
      events.on('completed', ({ jobId, returnvalue }) => this.#answer(jobId, returnvalue));
      events.on('failed', ({ jobId, failedReason }) => this.#settle(jobId, lost(failedReason)));
    });
    this.#forget = link.onLost(() => this.#settleAll(OUT_OF_REACH));
  }

  /** Never rejects. */
  async submit(name: string, data: JobData): Promise<JobAnswer> {
    if (this.#link.isLost) return OUT_OF_REACH;
    // Given by us: should the connection break, the same job may be sent again, and is one.
    const jobId = randomUUID();
    return new Promise(resolve => {
      const waiting: Waiting = { resolve, isIn: false };
      this.#waiting.set(jobId, waiting);
      this.#lookLater();
      this.#add(name, data, jobId).then(
        () => {
          waiting.isIn = true;
        },
        (error: unknown) => this.#settle(jobId, lost(`it could not be handed over: ${failureOf(error).message}`)),
      );
    });
  }

  /** All who wait get this answer. */
  async close(answer: JobAnswer): Promise<void> {
    this.#forget();
    this.#settleAll(answer);
    this.#look?.cancel();
    await Promise.all([this.#queue.close(), this.#events.close()]);
  }

  async #add(name: string, data: JobData, jobId: string): Promise<void> {
    await this.#events.listening;
    await this.#queue.add(name, data, { jobId });
  }

  #lookLater(): void {
    if (this.#look !== undefined || this.#waiting.size === 0) return;
    this.#look = this.#link.settings.clock.setTimer(LOOK_MS, () => {
      void this.#lookAtAll().finally(() => {
        this.#look = undefined;
        this.#lookLater();
      });
    });
  }

  async #lookAtAll(): Promise<void> {
    const all = [...this.#waiting].filter(([, { isIn }]) => isIn);
    await Promise.all(all.map(async ([jobId]) => this.#lookAt(jobId).catch(this.#link.onProblem)));
  }

  async #lookAt(jobId: string): Promise<void> {
    const job = await this.#queue.getJob(jobId);
    if (job === undefined) this.#settle(jobId, lost('Redis does not have it any more'));
    else if (job.failedReason) this.#settle(jobId, lost(job.failedReason));
    else if (job.finishedOn !== undefined) this.#answer(jobId, job.returnvalue);
  }

  #answer(jobId: string, value: unknown): void {
    this.#settle(jobId, isAnswer(value) ? value : lost('its answer is none'));
  }

  #settleAll(answer: JobAnswer): void {
    for (const jobId of [...this.#waiting.keys()]) this.#settle(jobId, answer);
  }

  #settle(jobId: string, answer: JobAnswer): void {
    const waiting = this.#waiting.get(jobId);
    if (waiting === undefined) return;
    this.#waiting.delete(jobId);
    waiting.resolve(answer);
    if (this.#waiting.size === 0) {
      this.#look?.cancel();
      this.#look = undefined;
      this.#onIdle();
    }
  }
}

function lost(why: string): JobAnswer {
  const error = new ExecutorError('ERR_JOB_LOST', `what became of the job is not known: ${why}`);
  return { ok: false, error: failureOf(error) };
}

const OUT_OF_REACH = lost('Redis is out of reach');
