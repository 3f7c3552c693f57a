import { type Clock, clockOption, MAX_LIMIT_MS } from '../../wait/clock.js';
import {
  abortSignal,
  bytes,
  func,
  integer,
  milliseconds,
  randomOption,
  text,
  timeLimit,
} from '../../option/option-kinds.js';
import type { Option, Settings, Table } from '../../option/option-table.js';
import { type Log, logOption } from '../../report/log.js';
import { type StatsTarget, metricsOption } from '../../report/metrics-target.js';
import { TICK_LOOP } from '../../scheduler/tick-options.js';
import { MAX_UPLOADED_JOBS } from '../wire/heartbeat.js';

/** Options of a shard client. */
export interface ShardClientOptions {
  /** The name by which the master knows this shard. */
  shardHostname: string;
  /** Pause after a heartbeat, ms, randomly varied by ±10 % so that shards do not synchronize. Default 60,000. */
  pauseMs?: number | undefined;
  /**
   * Each consecutive failure doubles the pause, up to this limit, ms; it also bounds the master's Retry-After. Default
   * 300,000 (5 minutes), or `pauseMs` if that is longer.
   */
  maxBackoffMs?: number | undefined;
  /**
   * Maximum number of jobs that one heartbeat uploads with all of their entries; the others follow later. Default
   * 1,000.
   */
  maxUploadJobs?: number | undefined;
  /**
   * Maximum number of bytes of JSON that one heartbeat uploads. A single job that exceeds it is logged and not
   * uploaded. Default 16 MiB. If the master or a proxy accepts less (status 413), the client uploads less at once.
   */
  maxUploadBytes?: number | undefined;
  /** Ends `loop` before the first heartbeat after this time, ms. Default `Infinity`. */
  lifetimeMs?: number | undefined;
  /**
   * As in TickLoop: how long the current heartbeat may continue after the loop was asked to end, ms. Default 30,000.
   */
  stopGraceMs?: number | undefined;
  /** As in TickLoop: signals that end `loop`. Default `['SIGINT', 'SIGTERM']`. */
  signals?: readonly NodeJS.Signals[] | false | undefined;
  /** As in TickLoop: ends `loop` after the current heartbeat, or after `stopGraceMs`. */
  signal?: AbortSignal | undefined;
  /**
   * Called and awaited before `loop` rejects because of a defect or a closed store. Errors that it throws are logged.
   */
  onFatal?: ((error: unknown) => unknown) | undefined;
  /** In log lines, events and metrics. Default `shard_client`. */
  name?: string | undefined;
  /** Where metrics go. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
  /** Times the loop. Default: real time. */
  clock?: Clock | undefined;
  /** Randomness for pauses and the first upload: returns numbers from 0 to less than 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

const pause = (): Option<number> => milliseconds({ from: 1, to: MAX_LIMIT_MS });

export const SHARD_CLIENT = {
  // The schema's limit is 255.
  shardHostname: text('a hostname of 1 to 255 characters', name => name.length <= 255).required,
  pauseMs: pause().or(60_000),
  maxBackoffMs: pause().or(300_000),
  maxUploadJobs: integer({ from: 1, to: MAX_UPLOADED_JOBS }).or(1_000),
  maxUploadBytes: bytes({ from: 1 }).or(16 * 2 ** 20),
  lifetimeMs: timeLimit().or(Infinity),
  stopGraceMs: TICK_LOOP.stopGraceMs,
  signals: TICK_LOOP.signals,
  signal: abortSignal(),
  onFatal: func<(error: unknown) => unknown>('(error)'),
  name: text().or('shard_client'),
  stats: metricsOption(),
  log: logOption(),
  clock: clockOption(),
  random: randomOption(),
} satisfies Table<ShardClientOptions>;

export type ClientSettings = Settings<typeof SHARD_CLIENT>;
