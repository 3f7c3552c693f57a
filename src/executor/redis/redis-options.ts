/** How jobs are kept in Redis, and the defaults. */
import { type Clock, clockOption, MAX_TIMER_MS } from '../../wait/clock.js';
import { milliseconds, secret, text } from '../../option/option-kinds.js';
import type { Option, Settings, Table } from '../../option/option-table.js';
import { type Log, logOption } from '../../report/log.js';

/** Where jobs are kept, and how long is waited for what does not answer. */
export interface RedisJobSourceOptions {
  /** `redis://` or `rediss://` (TLS), with user, password and number of the database where it needs them. Redis 6.2 or newer. */
  url: string;
  /** In front of the names of all keys: who shares it shares jobs. Letters, digits, `_` and `-`. Default `drone-task-queue`. */
  prefix?: string | undefined;
  /**
   * An executor that has not told Redis for so long that it is at a job is taken for dead, ms, and the job fails
   * (`ERR_JOB_LOST`) within three times as long. All executors should have the same. Default 30,000.
   */
  lockMs?: number | undefined;
  /**
   * Who waits for the answer of a job is answered with the failure `ERR_JOB_LOST` when Redis has not been reached for so
   * long, ms. Default 60,000.
   */
  maxOutageMs?: number | undefined;
  /** Default: the system's. */
  clock?: Clock | undefined;
  /** Default: silent. */
  log?: Log | undefined;
}

const lasting = (): Option<number> => milliseconds({ from: 1, to: MAX_TIMER_MS });

export const REDIS_JOB_SOURCE = {
  // A secret: it may hold a password.
  url: secret('a redis or rediss URL', url => URL.canParse(url) && /^rediss?:$/.test(new URL(url).protocol)).required,
  prefix: text('letters, digits, _ and -', prefix => /^[\w-]+$/.test(prefix)).or('drone-task-queue'),
  lockMs: lasting().or(30_000),
  maxOutageMs: lasting().or(60_000),
  clock: clockOption(),
  log: logOption('redis_jobs'),
} satisfies Table<RedisJobSourceOptions>;

export type RedisSettings = Settings<typeof REDIS_JOB_SOURCE>;
