/** Jobs of many processes and machines, kept in Redis by BullMQ. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { outsideSections } from '../../wait/section-guard.js';
import {
  closedAnswer,
  closedError,
  type Job,
  type JobAnswer,
  type JobLane,
  type JobSource,
  laneOf,
} from '../job-source.js';
import { queueName } from './job-data.js';
import { LaneAsker } from './lane-asker.js';
import { LaneTaker } from './lane-taker.js';
import { RedisLink } from './redis-link.js';
import { readOptions } from '../../option/option-table.js';
import { REDIS_JOB_SOURCE, type RedisJobSourceOptions } from './redis-options.js';

/** For connections of which Redis does not take leave. */
const CLOSE_MS = 2000;

/**
 * A queue in Redis, first come first served in each lane, for any number of executors and of those who ask for jobs.
 *
 * A job runs once at most. When its executor dies, is cut off from Redis for too long, or Redis forgets it, its answer is
 * the failure `ERR_JOB_LOST`: it may have been done in part or in full. It needs the packages `bullmq` and `ioredis`.
 *
 *     const jobs = await RedisJobSource.open({ url: 'redis://10.0.0.7' });
 *     const answer = await jobs.submit('merger:cat', { connection, project, branch: 'main', files: ['README.md'] });
 */
export class RedisJobSource implements JobSource {
  readonly #link: RedisLink;
  readonly #takers = new Map<string, LaneTaker>();
  readonly #askers = new Map<string, LaneAsker>();
  /** Ends of connections that nobody needs any more. */
  readonly #ending = new Set<Promise<void>>();
  #isClosed = false;
  #closed: Promise<void> | undefined;

  private constructor(link: RedisLink) {
    this.#link = link;
  }

  /**
   * Rejects with TypeError (`ERR_INVALID_ARG`) that names the option at fault, and with ExecutorError:
   * `ERR_PACKAGE_MISSING`; `ERR_NO_REDIS` when it cannot be reached within 10 s. Later on it is waited for.
   */
  static async open(options: RedisJobSourceOptions): Promise<RedisJobSource> {
    return outsideSections('open of a RedisJobSource', async () => {
      return new RedisJobSource(await RedisLink.open(readOptions(REDIS_JOB_SOURCE, options)));
    });
  }

  /**
   * Resolves with the answer; a job that fails is answered, too. Jobs of the lane `host` are stopped by their `id`, which
   * is a new one by default. What is not JSON in `args` and in answers gets lost on the way.
   *
   * Rejects with TypeError (`ERR_INVALID_ARG`) for a name that does not begin with `executor:` or `merger:`.
   */
  async submit(name: string, args: unknown, id: string = randomUUID()): Promise<JobAnswer> {
    return outsideSections(`the job ${name}`, async () => {
      const { lane, host } = laneOf(name);
      if (this.#isClosed) return closedAnswer();
      const queue = queueName(lane, host);
      let asker = this.#askers.get(queue);
      if (asker === undefined) {
        asker = new LaneAsker(this.#link, queue, () => this.#onIdle(lane, queue));
        this.#askers.set(queue, asker);
      }
      return asker.submit(name, { id, args });
    });
  }

  async take(lane: JobLane, host: string, signal: AbortSignal, running = 0): Promise<Job> {
    signal.throwIfAborted();
    if (this.#isClosed) throw closedError();
    const queue = queueName(lane, host);
    let taker = this.#takers.get(queue);
    if (taker === undefined) {
      taker = new LaneTaker(this.#link, queue);
      this.#takers.set(queue, taker);
    }
    // Nobody else takes those of a host.
    return taker.take(signal, lane === 'host' ? 0 : running);
  }

  /**
   * Ends all connections. Who waits for an answer is answered with the failure `ERR_EXECUTOR_STOPPED`; his jobs stay where
   * they are. Stop an executor before its source: what it has taken could not be answered any more. Idempotent.
   */
  async close(): Promise<void> {
    return outsideSections('close of a RedisJobSource', async () => (this.#closed ??= this.#close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    for (const asker of this.#askers.values()) this.#endLater(asker.close(closedAnswer()));
    const takers = [...this.#takers.values()];
    await within(
      CLOSE_MS,
      takers.map(async taker => taker.stop()),
    );
    this.#link.close();
    for (const taker of takers) this.#endLater(taker.close());
    await within(CLOSE_MS, this.#ending);
  }

  /** A lane of one host is asked for something once in a while, and hosts come and go. */
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

/** When all of it is over, or the time is. */
async function within(ms: number, all: Iterable<Promise<void>>): Promise<void> {
  const over = new AbortController();
  await Promise.race([Promise.all(all), delay(ms, undefined, { signal: over.signal })]);
  over.abort();
}
