/**
 * Takes jobs out of one lane, a queue of BullMQ, by hand: BullMQ's own loop would take a job before anybody waits for it.
 *
 * What always holds: a job is handed out once. Who has it holds its lock, which is renewed until it is answered. A job
 * whose lock has run out is not run again but fails (`maxStalledCount` 0): whoever looks first marks it, and who would be
 * the next to take it makes it fail.
 */
import { randomUUID } from 'node:crypto';
import type { Job as QueuedJob, Worker } from 'bullmq';
import { raceAbort } from '../../wait/abort.js';
import type { Timer } from '../../wait/clock.js';
import { PendingWork } from '../../wait/pending-work.js';
import { closedError, type Job, type JobAnswer } from '../job-source.js';
import { idIn, type JobData } from './job-data.js';
import { LaneEvents } from './lane-events.js';
import type { RedisLink } from './redis-link.js';

/** A taker is told of new jobs; should that get lost, it looks by itself. */
const LOOK_MS = 1000;
/** For each job that a taker does already it leaves a new one so much longer to others. */
const MODESTY_MS = 20;
const MAX_MODESTY_MS = 1000;

/** A job that was taken and has no answer yet. */
interface Held {
  readonly token: string;
  /** Its answer is on the way, and with that its lock ends. */
  isAnswered: boolean;
}

type Queued = QueuedJob<JobData, JobAnswer>;

export class LaneTaker {
  readonly #link: RedisLink;
  readonly #worker: Worker<JobData, JobAnswer>;
  readonly #events: LaneEvents;
  readonly #pending = new PendingWork();
  readonly #wakers = new Set<() => void>();
  /** How often there was news. */
  #news = 0;
  readonly #held = new Map<string, Held>();
  #renewal: Timer | undefined;
  #isClosed = false;

  constructor(link: RedisLink, queue: string) {
    const { bullmq, client: connection, settings, onProblem } = link;
    const { prefix, lockMs } = settings;
    this.#link = link;
    this.#worker = new bullmq.Worker(queue, null, {
      connection,
      prefix,
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: 0,
    });
    this.#worker.on('error', onProblem);
    this.#events = new LaneEvents(link, queue, events => events.on('waiting', () => this.#wake()));
    void this.#worker.startStalledCheckTimer();
  }

  /** Rejects with the reason of `signal`, and when it was closed, and has taken none then. */
  async take(signal: AbortSignal, running: number): Promise<Job> {
    const modestyMs = Math.min(running * MODESTY_MS, MAX_MODESTY_MS);
    for (;;) {
      const news = this.#news;
      if (modestyMs > 0) await this.#sleep(modestyMs, signal);
      signal.throwIfAborted();
      if (this.#isClosed) throw closedError();
      const job = await raceAbort(signal, this.#pending.add(this.#takeNow(signal)));
      if (job !== undefined) return job;
      if (news === this.#news) await this.#sleep(LOOK_MS, signal, this.#wakers);
    }
  }

  /** Takes no more; resolves when what was being taken is back. */
  async stop(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    this.#renewal?.cancel();
    await this.#pending.over();
  }

  async close(): Promise<void> {
    // Nothing of the worker's own is to be waited for.
    await Promise.all([this.#worker.close(true), this.#events.close()]);
  }

  #wake(): void {
    this.#news += 1;
    for (const wake of [...this.#wakers]) wake();
  }

  /** Whatever comes of it after an abort is its own matter: a job is put back. */
  async #takeNow(signal: AbortSignal): Promise<Job | undefined> {
    for (;;) {
      const token = randomUUID();
      const queued = (await this.#worker.getNextJob(token, { block: false })) as Queued | undefined;
      if (queued === undefined) return undefined;
      if (queued.deferredFailure) await queued.moveToFailed(new Error(queued.deferredFailure), token);
      else if (signal.aborted || this.#isClosed) return this.#putBack(queued, token);
      else return this.#hold(queued, token);
    }
  }

  async #putBack(queued: Queued, token: string): Promise<undefined> {
    try {
      await queued.moveToWait(token);
    } catch (error) {
      // Its lock runs out, and it fails.
      this.#link.settings.log.error('a job could not be put back', { id: idIn(queued), name: queued.name, error });
    }
    return undefined;
  }

  #hold(queued: Queued, token: string): Job {
    const { id: key = '', name, data } = queued;
    const held: Held = { token, isAnswered: false };
    this.#held.set(key, held);
    this.#renewSoon();
    const answer = async (given: JobAnswer): Promise<void> => {
      held.isAnswered = true;
      try {
        await queued.moveToCompleted(given, token, false);
      } finally {
        this.#held.delete(key);
      }
    };
    return { id: idIn(queued), name, args: data?.args, answer };
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
      for (const id of await this.#worker.extendJobLocks(ids, tokens, lockMs)) {
        if (this.#held.get(id)?.isAnswered === false) log.error('Redis has given a job up that is being done', { id });
        this.#held.delete(id);
      }
    } catch (error) {
      log.warn('the locks of jobs could not be renewed', { error });
    }
  }

  /** Until the time is over, or one of `wakers` is called. Rejects with the reason of `signal`. */
  async #sleep(ms: number, signal: AbortSignal, wakers = new Set<() => void>()): Promise<void> {
    let end = (): void => undefined;
    const over = new Promise<void>(resolve => {
      const timer = this.#link.settings.clock.setTimer(ms, resolve);
      wakers.add(resolve);
      end = () => {
        timer.cancel();
        wakers.delete(resolve);
      };
    });
    try {
      await raceAbort(signal, over);
    } finally {
      end();
    }
  }
}
