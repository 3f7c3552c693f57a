/** An executor takes jobs only while this process holds its cache; without the cache it could run none of them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../report/log.js';
import type { RepoCache } from './repo-cache.js';

/** Between two attempts. */
const RETRY_MS = 2000;

export class CacheClaim {
  readonly #cache: RepoCache;
  readonly #log: Log;
  #attempt: Promise<void> | undefined;
  /** The reason why no jobs are taken, as logged last. */
  #logged: string | undefined;

  constructor(cache: RepoCache, log: Log) {
    this.#cache = cache;
    this.#log = log;
  }

  /** Rejects with the reason why the cache cannot be used. */
  async now(): Promise<void> {
    const attempt = (this.#attempt ??= this.#cache.claim());
    try {
      await attempt;
      if (this.#logged !== undefined) this.#log.info('the executor takes jobs: it has its cache');
      this.#logged = undefined;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (this.#logged !== why) this.#log.error(`the executor takes no jobs: ${why}`, { error });
      this.#logged = why;
      throw error;
    } finally {
      if (this.#attempt === attempt) this.#attempt = undefined;
    }
  }

  /** Resolves once this process holds the cache, or `signal` aborts. Never rejects. */
  async wait(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.now();
        return;
      } catch {
        // It is logged.
        await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
