/** Jobs of many processes and machines, kept in Redis by BullMQ. */
import { setTimeout as delay } from 'node:timers/promises';
import { outsideSections } from '../../wait/section-guard.js';
import type { JobAnswer } from '../job-answer.js';
import { closedAnswer, closedError, type Job, type JobLane, type JobSource, laneOf } from '../job-source.js';
import type { JobName, Jobs } from '../jobs.js';
import { limitOf, readSubmitOptions, type SubmitOptions } from '../submit-options.js';
import { queueName } from './job-data.js';
import { LaneAsker } from './lane-asker.js';
import { removeWaiting } from './lane-queue.js';
import { LaneTaker } from './lane-taker.js';
import { RedisLink } from './redis-link.js';
import { SharedStates } from './shared-states.js';
import { readOptions } from '../../option/option-table.js';
import { REDIS_JOB_SOURCE, type RedisJobSourceOptions } from './redis-options.js';

/** For connections that Redis does not close. */
const CLOSE_MS = 2000;

/**
 * A queue in Redis, first come first served in each lane, for any number of executors and submitters. Needs the packages
 * `bullmq` and `ioredis`.
 *
 * A job runs at most once. If its executor dies or loses Redis for too long, or if Redis forgets the job, the answer is
 * the failure `ERR_JOB_LOST`: the job may have run in part or in full. An answer that is never fetched is kept for an
 * hour.
 *
 *     const jobs = await RedisJobSource.open({ url: 'redis://10.0.0.7' });
 *     const answer = await jobs.submit('merger:cat', { connection, project, branch: 'main', files: ['README.md'] });
 */
export class RedisJobSource implements JobSource {
  readonly #link: RedisLink;
  readonly #states: SharedStates;
  readonly #takers = new Map<string, LaneTaker>();
  readonly #askers = new Map<string, LaneAsker>();
  /** Connections that are being closed. */
  readonly #ending = new Set<Promise<void>>();
  #isClosed = false;
  #closed: Promise<void> | undefined;

  private constructor(link: RedisLink) {
    this.#link = link;
    this.#states = new SharedStates(link);
  }

  /**
   * Rejects with a TypeError (`ERR_INVALID_ARG`) that names the option at fault, or with an ExecutorError:
   * `ERR_PACKAGE_MISSING`, `ERR_REDIS_CLUSTER`, or `ERR_NO_REDIS` after 10 s without Redis. The source waits for later
   * outages to end.
   */
  static async open(options: RedisJobSourceOptions): Promise<RedisJobSource> {
    return outsideSections('open of a RedisJobSource', async () => {
      return new RedisJobSource(await RedisLink.open(readOptions(REDIS_JOB_SOURCE, options)));
    });
  }

  /**
   * Resolves with the answer; failures are answers, too (`ok: false`). `Jobs` gives the types of `args` and `value` for
   * each name; both travel as JSON. If no executor of the host takes jobs, a job for one host is answered with
   * `ERR_NO_EXECUTOR`, within `lockMs` plus a few seconds. `options`: a string is the `id`. A job with `timeoutMs` does
   * not run after that time, even if this process has died by then.
   *
   * Rejects with a TypeError (`ERR_INVALID_ARG`) for a name that does not begin with `executor:` or `merger:`, and for
   * an invalid option, which the message names.
   */
  async submit<Name extends JobName>(
    name: Name,
    args: Jobs[Name]['args'],
    options?: string | SubmitOptions,
  ): Promise<JobAnswer<Jobs[Name]['value']>> {
    return outsideSections(`the job ${name}`, async () => {
      const { lane, host } = laneOf(name);
      const { id, ...submission } = readSubmitOptions(options);
      if (this.#isClosed) return closedAnswer();
      const queue = queueName(lane, host);
      let asker = this.#askers.get(queue);
      if (asker === undefined) {
        asker = new LaneAsker(this.#link, this.#states, queue, () => this.#onIdle(lane, queue));
        this.#askers.set(queue, asker);
      }
      const limit = limitOf({ id, ...submission }, this.#link.settings.clock);
      try {
        const wish = { ...submission, signal: limit.signal };
        return (await asker.submit(name, { id, args }, wish, host)) as JobAnswer<Jobs[Name]['value']>;
      } finally {
        limit.release();
      }
    });
  }

  /**
   * Removes waiting jobs with this id, including those of other submitters, and answers them with `ERR_JOB_WITHDRAWN`.
   * Returns whether there were any. Rejects with an error of Redis.
   */
  async withdraw(id: string): Promise<boolean> {
    return outsideSections(`the withdrawal of the job ${id}`, async () => {
      if (this.#isClosed) throw closedError();
      const lanes = ['execute', 'merger'] as const;
      const found = lanes.map(async lane => removeWaiting(this.#link, queueName(lane, undefined), id));
      return (await Promise.all(found)).includes(true);
    });
  }

  async take(lane: JobLane, host: string, signal: AbortSignal, running = 0): Promise<Job> {
    signal.throwIfAborted();
    if (this.#isClosed) throw closedError();
    const queue = queueName(lane, host);
    // Submitters learn the host.
    const key = `${queue} ${host}`;
    let taker = this.#takers.get(key);
    if (taker === undefined) {
      taker = new LaneTaker(this.#link, this.#states, queue, lane, host);
      this.#takers.set(key, taker);
    }
    // Other takers do not take the jobs of a host.
    return taker.take(signal, lane === 'host' ? 0 : running);
  }

  /**
   * Ends all connections. Waiting `submit` calls get the failure `ERR_EXECUTOR_STOPPED`; their jobs stay in Redis.
   * Close an executor before its source; otherwise it can no longer answer its jobs. Idempotent.
   */
  async close(): Promise<void> {
    return outsideSections('close of a RedisJobSource', async () => (this.#closed ??= this.#close()));
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    for (const asker of this.#askers.values()) this.#endLater(asker.close(closedAnswer()));
    const takers = [...this.#takers.values()];
    const stopped = takers.map(async taker => taker.stop());
    await within(CLOSE_MS, stopped);
    this.#link.close();
    for (const taker of takers) this.#endLater(taker.close());
    await within(CLOSE_MS, this.#ending);
  }

  /** Lanes of hosts are used rarely, and hosts come and go. */
  #onIdle(lane: JobLane, queue: string): void {
    const asker = this.#askers.get(queue);
    if (lane !== 'host' || asker === undefined || this.#isClosed) return;
    this.#askers.delete(queue);
    this.#endLater(asker.close(closedAnswer()));
  }

  #endLater(end: Promise<void>): void {
    const over: Promise<void> = end.catch(this.#link.onProblem).finally(() => this.#ending.delete(over));
    this.#ending.add(over);
  }
}

/** Resolves when everything has ended, or the time is over. */
async function within(ms: number, all: Iterable<Promise<void>>): Promise<void> {
  const over = new AbortController();
  await Promise.race([Promise.all(all), delay(ms, undefined, { signal: over.signal })]);
  over.abort();
}
