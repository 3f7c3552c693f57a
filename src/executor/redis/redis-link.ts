/** The packages, loaded, and the connection to Redis that all lanes of a source share. */
import { once } from 'node:events';
import type * as BullMq from 'bullmq';
import type { Redis } from 'ioredis';
import type { Timer } from '../../wait/clock.js';
import { loadPackage } from '../../option/optional-package.js';
import { ExecutorError } from '../executor-error.js';
import type { RedisSettings } from './redis-options.js';

const NEEDED_FOR = 'a source of jobs in Redis';
const CONNECT_MS = 10_000;
const MAX_RECONNECT_MS = 1000;

/** A connection that is made again whenever it is lost; what is sent meanwhile waits. */
export class RedisLink {
  readonly bullmq: typeof BullMq;
  readonly settings: RedisSettings;
  readonly client: Redis;
  readonly #end: () => void;
  /** Of each, what it does when Redis was out of reach for too long. */
  readonly #watchers = new Set<() => void>();
  #outage: Timer | undefined;
  #isLost = false;
  #isClosed = false;

  private constructor(bullmq: typeof BullMq, settings: RedisSettings, client: Redis, end: () => void) {
    this.bullmq = bullmq;
    this.settings = settings;
    this.client = client;
    this.#end = end;
    client.on('close', () => this.#onClose());
    client.on('ready', () => this.#onReady());
    // 'close' follows, which tells the same.
    client.on('error', () => undefined);
  }

  /** Rejects with ExecutorError: `ERR_PACKAGE_MISSING`, `ERR_NO_REDIS`. */
  static async open(settings: RedisSettings): Promise<RedisLink> {
    const bullmq = await loadPackage('bullmq', NEEDED_FOR, () => import('bullmq'), ExecutorError);
    const ioredis = await loadPackage('ioredis', NEEDED_FOR, () => import('ioredis'), ExecutorError);
    let isOver = false;
    const client = new ioredis.Redis(settings.url, {
      // BullMQ copies it for connections of its own: they end with it.
      retryStrategy: times => (isOver ? null : Math.min(times * 50, MAX_RECONNECT_MS)),
      maxRetriesPerRequest: null,
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
    } catch (error) {
      end();
      client.on('error', () => undefined);
      const { message, code } = error as NodeJS.ErrnoException;
      throw new ExecutorError('ERR_NO_REDIS', `Redis cannot be used: ${message || String(code)}`, { cause: error });
    } finally {
      timer.cancel();
    }
    return new RedisLink(bullmq, settings, client, end);
  }

  /** Whether Redis has been out of reach for `maxOutageMs`. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** What BullMQ tells of an object of its own while Redis is there; that it is not is told once, and not by each of them. */
  readonly onProblem = (error: unknown): void => {
    if (this.#isClosed || this.#outage !== undefined) return;
    this.settings.log.warn('a source of jobs has a problem with Redis', { error });
  };

  /** Calls it when Redis has been out of reach for `maxOutageMs`. Gives what ends that. */
  onLost(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** No connection is made again from now on; BullMQ's own have to be closed besides. */
  close(): void {
    this.#isClosed = true;
    this.#outage?.cancel();
    this.#end();
  }

  #onClose(): void {
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
