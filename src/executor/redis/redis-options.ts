import { type Clock, clockOption, MAX_TIMER_MS } from '../../wait/clock.js';
import { milliseconds, secret, text } from '../../option/option-kinds.js';
import type { Option, Settings, Table } from '../../option/option-table.js';
import { type Log, logOption } from '../../report/log.js';

/** Where jobs are kept, and how long to wait for a silent peer. */
export interface RedisJobSourceOptions {
  /** `redis://` or `rediss://` (TLS), with user, password and database number as needed. One Redis 6.2 or newer. */
  url: string;
  /**
   * Prefix of all keys: sources with the same prefix share jobs. Letters, digits, `_`, `-`, `{` and `}`. Default
   * `drone-task-queue`.
   */
  prefix?: string | undefined;
  /**
   * An executor that has not renewed its claim on a job for this long counts as dead, ms. The job then fails
   * (`ERR_JOB_LOST`) within three times this period. Use the same value for all executors. Default 30,000.
   */
  lockMs?: number | undefined;
  /**
   * How long Redis may be unavailable, ms, before waiting `submit` calls get the failure `ERR_JOB_LOST`, or
   * `ERR_JOB_REFUSED` if Redis certainly did not take the job. Default 60,000.
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
  prefix: text('letters, digits, _, -, { and }', prefix => /^[\w{}-]+$/.test(prefix)).or('drone-task-queue'),
  lockMs: lasting().or(30_000),
  maxOutageMs: lasting().or(60_000),
  clock: clockOption(),
  log: logOption('redis_jobs'),
} satisfies Table<RedisJobSourceOptions>;

export type RedisSettings = Settings<typeof REDIS_JOB_SOURCE>;
