/** The loaded packages, and the connection to Redis that all lanes of a source share. */
import { once } from 'node:events';
import type * as BullMq from 'bullmq';
import type { Redis } from 'ioredis';
import { raceAbort } from '../../wait/abort.js';
import type { Timer } from '../../wait/clock.js';
import { loadPackage } from '../../option/optional-package.js';
import { ExecutorError } from '../executor-error.js';
import type { RedisSettings } from './redis-options.js';
import { clusterAdvice, isForNow, isOfCluster } from './refusal.js';
import { Room } from './room.js';

const NEEDED_FOR = 'a source of jobs in Redis';
const CONNECT_MS = 10_000;
const MAX_RECONNECT_MS = 1000;
const FIRST_RETRY_MS = 50;

/** Reconnects whenever the connection is lost; commands wait meanwhile. */
export class RedisLink {
  readonly bullmq: typeof BullMq;
  readonly settings: RedisSettings;
  readonly client: Redis;
  readonly room: Room;
  readonly #end: () => void;
  /** Called when Redis was out of reach for too long. */
  readonly #watchers = new Set<() => void>();
  #outage: Timer | undefined;
  #isLost = false;
  #closes = 0;
  #isRefused = false;
  #isClosed = false;

  private constructor(bullmq: typeof BullMq, settings: RedisSettings, client: Redis, end: () => void) {
    this.bullmq = bullmq;
    this.settings = settings;
    this.client = client;
    this.room = new Room(client);
    this.#end = end;
    client.on('close', () => this.#onClose());
    client.on('ready', () => this.#onReady());
    // 'close' follows and is handled.
    client.on('error', () => undefined);
  }

  /** Rejects with an ExecutorError: `ERR_PACKAGE_MISSING`, `ERR_NO_REDIS`, `ERR_REDIS_CLUSTER`. */
  static async open(settings: RedisSettings): Promise<RedisLink> {
    const bullmq = await loadPackage('bullmq', NEEDED_FOR, () => import('bullmq'), ExecutorError);
    const ioredis = await loadPackage('ioredis', NEEDED_FOR, () => import('ioredis'), ExecutorError);
    let isOver = false;
    const client = new ioredis.Redis(settings.url, {
      // BullMQ copies it for its own connections, which end with it.
      retryStrategy: times => (isOver ? null : Math.min(times * 50, MAX_RECONNECT_MS)),
      maxRetriesPerRequest: null,
      // It rejects the command: behind the address there may be another server by now.
      reconnectOnError: reconnector(),
      connectTimeout: CONNECT_MS,
    });
    const end = (): void => {
      isOver = true;
      client.disconnect();
    };
    const tooLate = new AbortController();
    const timer = settings.clock.setTimer(CONNECT_MS, () => tooLate.abort());
    try {
      await once(client, 'ready', { signal: tooLate.signal });
      await raceAbort(tooLate.signal, checkKeys(client, settings.prefix));
    } catch (error) {
      end();
      client.on('error', () => undefined);
      if (error instanceof ExecutorError) throw error;
      const { message, code } = error as NodeJS.ErrnoException;
      const late = `it was not ready within ${String(CONNECT_MS)} ms: it does not answer, or is still loading its data`;
      const why = tooLate.signal.aborted ? late : message || String(code);
      throw new ExecutorError('ERR_NO_REDIS', `Redis cannot be used: ${why}`, { cause: error });
    } finally {
      timer.cancel();
    }
    return new RedisLink(bullmq, settings, client, end);
  }

  /** Whether Redis has been out of reach for `maxOutageMs`. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** The time by Redis's clock, ms. */
  async timeMs(): Promise<number> {
    const [seconds, micros] = await this.client.time();
    return Number(seconds) * 1000 + Number(micros) / 1000;
  }

  /** Counts ends of the connection: a command that was in flight is sent again, and may have run twice. */
  get closes(): number {
    return this.#closes;
  }

  /** Runs `work`, and again while Redis refuses it temporarily (`passes`), for up to `maxOutageMs`. */
  async patiently<T>(work: () => Promise<T>, passes: (error: unknown) => boolean = isForNow): Promise<T> {
    const { clock, maxOutageMs, log } = this.settings;
    const startMs = clock.nowMs();
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(2 * waitMs, MAX_RECONNECT_MS)) {
      try {
        const value = await work();
        this.#isRefused = false;
        return value;
      } catch (error) {
        if (!passes(error) || this.#isClosed || clock.nowMs() - startMs >= maxOutageMs) throw explained(error);
        if (!this.#isRefused) log.warn('Redis temporarily refuses commands', { error });
        this.#isRefused = true;
      }
      await new Promise<void>(resolve => clock.setTimer(waitMs, resolve));
    }
  }

  /** Logs errors of BullMQ's own objects. During an outage, which is logged once, they are dropped. */
  readonly onProblem = (error: unknown): void => {
    if (this.#isClosed || this.#outage !== undefined) return;
    this.settings.log.warn('a source of jobs has a problem with Redis', { error });
  };

  /** Calls `watcher` when Redis has been out of reach for `maxOutageMs`. Returns a function that ends that. */
  onLost(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Ends reconnecting. BullMQ's own connections have to be closed separately. */
  close(): void {
    this.#isClosed = true;
    this.#outage?.cancel();
    this.#end();
  }

  #onClose(): void {
    this.#closes += 1;
    if (this.#isClosed || this.#outage !== undefined) return;
    const { clock, log, maxOutageMs } = this.settings;
    log.warn('the connection to Redis is lost');
    this.#outage = clock.setTimer(maxOutageMs, () => {
      this.#isLost = true;
      for (const watcher of [...this.#watchers]) watcher();
    });
  }

  #onReady(): void {
    this.#outage?.cancel();
    this.#outage = undefined;
    this.#isLost = false;
    this.settings.log.info('the connection to Redis is back');
  }
}

/**
 * Rejects with an ExecutorError, `ERR_REDIS_CLUSTER`. Anything else that Redis refuses affects the first jobs, which wait for
 * its end.
 */
async function checkKeys(client: Redis, prefix: string): Promise<void> {
  try {
    // Of two lanes: without a hash tag in the prefix a cluster has them in two slots.
    await client.exists(`${prefix}:execute:meta`, `${prefix}:merger:meta`);
  } catch (error) {
    if (isOfCluster(error)) throw explained(error);
  }
}

function explained(error: unknown): unknown {
  return isOfCluster(error) ? new ExecutorError('ERR_REDIS_CLUSTER', clusterAdvice(error), { cause: error }) : error;
}

/** Does not reconnect at each of many errors, because the next server may be no better. */
function reconnector(): (error: Error) => boolean {
  let lastMs = -Infinity;
  return error => {
    const nowMs = performance.now();
    if (!isForNow(error) || nowMs - lastMs < MAX_RECONNECT_MS) return false;
    lastMs = nowMs;
    return true;
  };
}
