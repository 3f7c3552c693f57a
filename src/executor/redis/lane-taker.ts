/**
 * Takes jobs out of one lane, a queue of BullMQ, by hand: BullMQ's own loop takes a job before a caller waits for it.
 *
 * Invariants: a job is handed out once. Its taker holds a lock, which is renewed until the answer. A job with an expired
 * lock fails and does not run again (`maxStalledCount` 0): one taker marks it, the next one to take it fails it.
 */
import { randomUUID } from 'node:crypto';
import type { Job as QueuedJob, Worker } from 'bullmq';
import { raceAbort } from '../../wait/abort.js';
import type { Timer } from '../../wait/clock.js';
import { Deadline } from '../../wait/deadline.js';
import { PendingWork } from '../../wait/pending-work.js';
import { ExecutorError } from '../executor-error.js';
import { failureOf, type JobAnswer } from '../job-answer.js';
import { closedError, type Job, type JobLane } from '../job-source.js';
import { withdrawn } from '../submit-options.js';
import { AnswerStore } from './answer-store.js';
import { idIn, type JobData, presenceKey } from './job-data.js';
import { LaneEvents, UNWANTED } from './lane-events.js';
import { lost, refused } from './verdicts.js';
import type { RedisLink } from './redis-link.js';
import { isForNowOrFull, isFull } from './refusal.js';
import { Renewed } from './renewed.js';
import type { SharedStates } from './shared-states.js';

/** Between two looks for jobs whose events were lost. */
const LOOK_MS = 1000;
/** How much longer a taker leaves a new job to others for each job that it runs. */
const MODESTY_MS = 20;
const MAX_MODESTY_MS = 1000;
const MAX_REASON_CHARS = 500;

/** A job that was taken and has no answer yet. */
interface Held {
  readonly token: string;
  readonly stop: AbortController;
  /** The answer, which ends the lock, is on its way. */
  isAnswered: boolean;
}

type Queued = QueuedJob<JobData, JobAnswer>;

export class LaneTaker {
  readonly #link: RedisLink;
  /** The executor's host. */
  readonly #host: string;
  readonly #isHostLane: boolean;
  #presentMs = -Infinity;
  readonly #states: SharedStates;
  readonly #answers: AnswerStore;
  readonly #worker: Renewed<Worker<JobData, JobAnswer>>;
  readonly #events: LaneEvents;
  readonly #pending = new PendingWork();
  readonly #wakers = new Set<() => void>();
  /** Counts events of new jobs. */
  #news = 0;
  readonly #held = new Map<string, Held>();
  #renewal: Timer | undefined;
  #isClosed = false;

  constructor(link: RedisLink, states: SharedStates, queue: string, lane: JobLane, host: string) {
    const { bullmq, client: connection, settings, onProblem } = link;
    const { prefix, lockMs } = settings;
    this.#link = link;
    this.#host = host;
    this.#isHostLane = lane === 'host';
    this.#states = states;
    this.#answers = new AnswerStore(link, states, queue);
    const make = (): Worker<JobData, JobAnswer> => {
      const stalled = { stalledInterval: lockMs, maxStalledCount: 0 };
      const name = encodeURIComponent(host);
      const options = { connection, prefix, name, autorun: false, lockDuration: lockMs, ...stalled };
      const worker = new bullmq.Worker<JobData, JobAnswer>(queue, null, options).on('error', onProblem);
      void worker.startStalledCheckTimer();
      return worker;
    };
    this.#worker = new Renewed(make, async one => one.close(true));
    this.#events = new LaneEvents(link, queue, events => {
      events.on('waiting', () => this.#wake());
      const own = events as unknown as NodeJS.EventEmitter;
      own.on(UNWANTED, ({ jobId, reason }: Record<string, string>) => this.#stop(jobId, reason));
    });
  }

  /** Rejects, without a job, with the reason of `signal` and after `stop`. */
  async take(signal: AbortSignal, running: number): Promise<Job> {
    const modestyMs = Math.min(running * MODESTY_MS, MAX_MODESTY_MS);
    for (;;) {
      const news = this.#news;
      if (modestyMs > 0) await this.#sleep(modestyMs, signal);
      signal.throwIfAborted();
      if (this.#isClosed) throw closedError();
      await raceAbort(signal, this.#pending.add(this.#bePresent()));
      const job = await raceAbort(signal, this.#pending.add(this.#takeNow(signal)));
      if (job !== undefined) return job;
      if (news === this.#news) await this.#sleep(LOOK_MS, signal, this.#wakers);
    }
  }

  /** Takes no more; resolves when jobs that were being taken are back in the lane. */
  async stop(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    this.#renewal?.cancel();
    await this.#pending.over();
    if (this.#isHostLane) await this.#link.client.del(presenceKey(this.#link.settings.prefix, this.#host));
  }

  /** Announces an executor for the jobs of its host. */
  async #bePresent(): Promise<void> {
    const { clock, lockMs, prefix } = this.#link.settings;
    if (!this.#isHostLane || clock.nowMs() - this.#presentMs < lockMs / 4) return;
    const key = presenceKey(prefix, this.#host);
    await this.#link.patiently(async () => this.#link.client.set(key, 1, 'PX', lockMs), isForNowOrFull);
    this.#presentMs = clock.nowMs();
  }

  async close(): Promise<void> {
    await Promise.all([this.#worker.close(), this.#events.close()]);
  }

  #wake(): void {
    this.#news += 1;
    for (const wake of [...this.#wakers]) wake();
  }

  /** After an abort it puts a job back. */
  async #takeNow(signal: AbortSignal): Promise<Job | undefined> {
    for (;;) {
      const token = randomUUID();
      const queued: Queued | undefined = await this.#link.patiently(async () => {
        const worker = await this.#worker.ready();
        return worker.getNextJob(token, { block: false });
      }, isForNowOrFull);
      if (queued === undefined) return undefined;
      if (queued.deferredFailure) await queued.moveToFailed(new Error(queued.deferredFailure), token);
      else if (signal.aborted || this.#isClosed) return this.#putBack(queued, token);
      else {
        const job = await this.#hold(queued, token);
        if (job !== undefined) return job;
      }
    }
  }

  async #putBack(queued: Queued, token: string): Promise<undefined> {
    try {
      await queued.moveToWait(token);
    } catch (error) {
      // It fails when its lock expires.
      this.#link.settings.log.error('a job could not be put back', { id: idIn(queued), name: queued.name, error });
    }
    return undefined;
  }

  /** Undefined for a job that cannot be run. */
  async #hold(queued: Queued, token: string): Promise<Job | undefined> {
    const { id: key = '', name, data } = queued;
    const stop = new AbortController();
    const held: Held = { token, stop, isAnswered: false };
    this.#held.set(key, held);
    this.#renewSoon();
    const answer = async (given: JobAnswer): Promise<void> => {
      held.isAnswered = true;
      try {
        await this.#answer(queued, token, given);
      } finally {
        this.#held.delete(key);
      }
    };
    const id = idIn(queued);
    try {
      if (data?.untilMs !== undefined && (await this.#link.timeMs()) > data.untilMs) {
        await answer(withdrawn('its time limit has passed'));
        return undefined;
      }
      const args = await this.#link.patiently(async () => this.#states.unpack(data?.args));
      return { id, name, args, answer, signal: stop.signal };
    } catch (error) {
      this.#link.settings.log.warn('failed to read a job', { id, name, error });
      await answer(refused(failureOf(error).message));
      return undefined;
    }
  }

  #stop(jobId = '', reason = ''): void {
    const why = new ExecutorError('ERR_EXECUTOR_STOPPED', reason.slice(0, MAX_REASON_CHARS));
    this.#held.get(jobId)?.stop.abort(why);
  }

  /** While Redis is full, waits for room; if there is none, reports that instead of the answer. */
  async #answer(queued: Queued, token: string, given: JobAnswer): Promise<void> {
    const { id: key = '', data } = queued;
    const end = async (returned: JobAnswer | null): Promise<void> => {
      await this.#link.patiently(async () => queued.moveToCompleted(returned as JobAnswer, token, false));
    };
    if (data?.isAnsweredApart !== true) return end(given);
    try {
      await this.#link.patiently(async () => this.#answers.put(key, given, this.#host), isForNowOrFull);
    } catch (error) {
      if (!isFull(error)) throw error;
      return end(lost(`its answer could not be stored: ${failureOf(error).message}`, { isTransient: true }));
    }
    const { closes } = this.#link;
    try {
      await end(null);
    } catch (error) {
      // After a broken connection BullMQ may have ended the job at the first attempt.
      if (closes === this.#link.closes) await this.#answers.remove(key);
      throw error;
    }
  }

  #renewSoon(): void {
    if (this.#isClosed || this.#renewal !== undefined || this.#held.size === 0) return;
    const { clock, lockMs } = this.#link.settings;
    this.#renewal = clock.setTimer(lockMs / 2, () => {
      void this.#renew().finally(() => {
        this.#renewal = undefined;
        this.#renewSoon();
      });
    });
  }

  async #renew(): Promise<void> {
    const { lockMs, log } = this.#link.settings;
    const all = [...this.#held];
    const tokens = all.map(([, { token }]) => token);
    try {
      const ids = all.map(([id]) => id);
      const lostIds = await this.#link.patiently(async () => {
        const worker = await this.#worker.ready();
        return worker.extendJobLocks(ids, tokens, lockMs);
      });
      for (const id of lostIds) {
        if (this.#held.get(id)?.isAnswered === false) log.error('Redis has given up a running job', { id });
        this.#held.delete(id);
      }
    } catch (error) {
      log.warn('the locks of jobs could not be renewed', { error });
    }
  }

  /** Waits until the time is over, or one of `wakers` is called. Rejects with the reason of `signal`. */
  async #sleep(limitMs: number, signal: AbortSignal, wakers = new Set<() => void>()): Promise<void> {
    const limit = new Deadline([signal], { limitMs, clock: this.#link.settings.clock });
    const wake = (): void => limit.end();
    wakers.add(wake);
    await limit.ended;
    wakers.delete(wake);
    limit.release();
    signal.throwIfAborted();
  }
}
