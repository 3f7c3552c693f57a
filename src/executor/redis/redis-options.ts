/** How jobs are kept in Redis, and the defaults. */
import { type Clock, MAX_TIMER_MS, systemClock } from '../../wait/clock.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { type Log, partLog, safeLog } from '../../report/log.js';
import { OptionReader } from '../../option/option-reader.js';

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

/** The options with their defaults, checked. */
export type RedisSettings = Required<{
  readonly [K in keyof RedisJobSourceOptions]: NonNullable<RedisJobSourceOptions[K]>;
}>;

const NAMES = ['url', 'prefix', 'lockMs', 'maxOutageMs', 'clock', 'log'] satisfies (keyof RedisJobSourceOptions)[];

const PREFIX = /^[\w-]+$/;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readRedisOptions(options: RedisJobSourceOptions): RedisSettings {
  const read = new OptionReader(options, NAMES);
  const url = read.secret('url');
  // Not shown: it may hold a password.
  if (url === undefined || !isRedisUrl(url)) throw invalidArgument('url', '(not shown)', 'a redis or rediss URL');
  const prefix = read.text('prefix') ?? 'drone-task-queue';
  if (!PREFIX.test(prefix)) throw invalidArgument('prefix', prefix, 'letters, digits, _ and -');
  const isTime = (value: number): boolean => value >= 1 && value <= MAX_TIMER_MS;
  const limitMs = (field: string): number | undefined => read.limit(field, 'from 1 to 2,147,483,647 ms', isTime);
  const { clock = systemClock, log } = options;
  return {
    url,
    prefix,
    lockMs: limitMs('lockMs') ?? 30_000,
    maxOutageMs: limitMs('maxOutageMs') ?? 60_000,
    clock,
    log: partLog(safeLog(log), 'redis_jobs'),
  };
}

function isRedisUrl(url: string): boolean {
  return URL.canParse(url) && ['redis:', 'rediss:'].includes(new URL(url).protocol);
}
