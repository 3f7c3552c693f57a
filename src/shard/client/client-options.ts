/** What a shard client can be told, its defaults, and the complaints about what it cannot be told. */
import { type Clock, MAX_LIMIT_MS, systemClock } from '../../wait/clock.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { type Log, partLog, safeLog } from '../../report/log.js';
import { OptionReader } from '../../option/option-reader.js';
import { checkStatsTarget, type StatsTarget } from '../../report/stats.js';
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

/** The options with their defaults, checked; the loop checks its own. */
export interface ClientSettings {
  readonly shardHostname: string;
  readonly pauseMs: number;
  readonly maxBackoffMs: number;
  readonly maxUploadJobs: number;
  readonly maxUploadBytes: number;
  readonly lifetimeMs: number;
  readonly onFatal: ((error: unknown) => unknown) | undefined;
  readonly name: string;
  readonly stats: StatsTarget | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
}

const NAMES = [
  'shardHostname',
  'pauseMs',
  'maxBackoffMs',
  'maxUploadJobs',
  'maxUploadBytes',
  'lifetimeMs',
  'signals',
  'signal',
  'onFatal',
  'name',
  'stats',
  'log',
  'clock',
  'random',
] satisfies (keyof ShardClientOptions)[];

/** The schema's limit for a hostname. */
const MAX_HOSTNAME_CHARS = 255;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readClientOptions(options: ShardClientOptions): ClientSettings {
  const read = new OptionReader(options, NAMES);
  const shardHostname = read.text('shardHostname');
  if (shardHostname === undefined || shardHostname.length > MAX_HOSTNAME_CHARS) {
    const expected = `a hostname of 1 to ${String(MAX_HOSTNAME_CHARS)} characters: who this shard is`;
    throw invalidArgument('shardHostname', shardHostname, expected);
  }
  const isPause = (value: number): boolean => value >= 1 && value <= MAX_LIMIT_MS;
  const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1;
  const isJobCount = (value: number): boolean => isCount(value) && value <= MAX_UPLOADED_JOBS;
  const jobCount = `an integer from 1 to ${String(MAX_UPLOADED_JOBS)}`;
  const pause = `milliseconds from 1 to ${String(MAX_LIMIT_MS)}`;
  const { onFatal, stats, log, clock, random = Math.random } = options;
  if (onFatal !== undefined && typeof onFatal !== 'function') {
    throw invalidArgument('onFatal', onFatal, 'a function (error)');
  }
  checkStatsTarget(stats);
  const name = read.text('name') ?? 'shard_client';
  return {
    shardHostname,
    pauseMs: read.limit('pauseMs', pause, isPause) ?? 60_000,
    maxBackoffMs: read.limit('maxBackoffMs', pause, isPause) ?? 300_000,
    maxUploadJobs: read.limit('maxUploadJobs', jobCount, isJobCount) ?? 1_000,
    maxUploadBytes: read.limit('maxUploadBytes', 'an integer of 1 or more', isCount) ?? 16 * 2 ** 20,
    lifetimeMs: read.limit('lifetimeMs', 'milliseconds above 0, or Infinity', value => value > 0) ?? Infinity,
    onFatal,
    name,
    stats,
    log: partLog(safeLog(log), name, { client: name }),
    clock: clock ?? systemClock,
    random,
  };
}
