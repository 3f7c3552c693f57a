/** The options of a shard client. */
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
import { type StatsTarget, statsOption } from '../../report/stats.js';
import { TICK_LOOP } from '../../scheduler/tick-options.js';
import { MAX_UPLOADED_JOBS } from '../wire/heartbeat.js';

/** Who a shard client is, and how it goes. */
export interface ShardClientOptions {
  /** The name that the master knows this shard by. */
  shardHostname: string;
  /** From the end of a heartbeat to the next, ms, ±10 % at random, so that shards do not fall into step. Default 60,000. */
  pauseMs?: number | undefined;
  /**
   * While heartbeats fail the pause is twice as long after each, up to this, ms; so is one that the master asks for with
   * Retry-After. Default 300,000 (5 minutes); where `pauseMs` is longer, that.
   */
  maxBackoffMs?: number | undefined;
  /** Jobs of one heartbeat that are uploaded, with all of their entries; the others follow. Up to 10,000. Default 1,000. */
  maxUploadJobs?: number | undefined;
  /**
   * The same in bytes of JSON, jobs and entries together. A job that is larger alone stays where it is, and a warning
   * tells of it. Default 16 MiB; the master must take a packet of this size, and what else is in it.
   */
  maxUploadBytes?: number | undefined;
  /** `loop` ends when it has gone on for so long, ms; looked at before each heartbeat. Default `Infinity`. */
  lifetimeMs?: number | undefined;
  /** As TickLoop's: signals that end `loop`. Default `['SIGINT', 'SIGTERM']`. */
  signals?: readonly NodeJS.Signals[] | false | undefined;
  /** As TickLoop's: ends `loop` when aborted, after the heartbeat that is under way. */
  signal?: AbortSignal | undefined;
  /**
   * Told of what ends `loop` against its will, a defect or a store that is closed, before it rejects: to send a mail, say.
   * Waited for; what it throws is logged.
   */
  onFatal?: ((error: unknown) => unknown) | undefined;
  /** In log lines, events and metrics. Default `shard_client`. */
  name?: string | undefined;
  /** Where metrics go. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
  /** For the loop. Default: real time. */
  clock?: Clock | undefined;
  /** For the pauses, and for which upload is the first: from 0 to less than 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

const pause = (): Option<number> => milliseconds({ from: 1, to: MAX_LIMIT_MS });

export const SHARD_CLIENT = {
  // 255 is the schema's limit.
  shardHostname: text('a hostname of 1 to 255 characters: who this shard is', name => name.length <= 255).required,
  pauseMs: pause().or(60_000),
  maxBackoffMs: pause().or(300_000),
  maxUploadJobs: integer({ from: 1, to: MAX_UPLOADED_JOBS }).or(1_000),
  maxUploadBytes: bytes({ from: 1 }).or(16 * 2 ** 20),
  lifetimeMs: timeLimit().or(Infinity),
  signals: TICK_LOOP.signals,
  signal: abortSignal(),
  onFatal: func<(error: unknown) => unknown>('(error)'),
  name: text().or('shard_client'),
  stats: statsOption(),
  log: logOption(),
  clock: clockOption(),
  random: randomOption(),
} satisfies Table<ShardClientOptions>;

export type ClientSettings = Settings<typeof SHARD_CLIENT>;
