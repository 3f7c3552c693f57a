/** The options of a task queue, and of `retry`, `stopOn` and `kickOut` among them: their types, defaults and checks. */
import type { DroneError } from './drone/drone-error.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames, OptionReader } from '../option/option-reader.js';
import type { Log } from '../report/log.js';
import type { StatsTarget } from '../report/stats.js';
import type { ThreadSettings } from './wire/messages.js';

/** Options of every task queue. Times are on the monotonic clock; `Infinity` switches a limit off. */
export interface TaskQueueOptions {
  /** In the names of workers, metrics and log lines. Default `thread_queue`, or `drone_queue` for DroneTaskQueue. */
  name?: string | undefined;
  /**
   * From a connection's start until the drone's agent is ready, over all hops, ms. The wait for a turn to connect, or
   * between two attempts, does not count. Default 10,000.
   */
  connectTimeoutMs?: number | undefined;
  /** From the moment a call may start on its drone until its answer, ms. Default 600,000. */
  callTimeoutMs?: number | undefined;
  /**
   * From `execute` until the round is stopped, ms. Drones not done by then fail with `timeout`; what they run is ended, and
   * the round at the latest `killGraceMs` later. Default 900,000.
   */
  roundDeadlineMs?: number | undefined;
  /** From TERM to KILL for the processes of a call that is ended, ms. Default 2,000. */
  killGraceMs?: number | undefined;
  /** An agent ends itself when it has heard nothing for so long, ms. Default 120,000. */
  linkSilenceMs?: number | undefined;
  /**
   * Each connection is asked for a sign of life so often, ms, on the level of SSH and of the agent; one that was silent
   * for longer is probed before it is used again. Default 15,000.
   */
  keepaliveIntervalMs?: number | undefined;
  /** So many keepalives without an answer, and the connection is given up: kind `lost`. Default 3. */
  keepaliveCount?: number | undefined;
  /** Connections being opened at once, per thread. Default 16. */
  maxConnecting?: number | undefined;
  /**
   * Of these to one server (a drone or a jump host), until the login. A server that drops some of them, such as an sshd by
   * its `MaxStartups`, gets fewer; what was dropped is tried again for `connectTimeoutMs`, at most 30 s. Default 8.
   */
  maxConnectingPerAddress?: number | undefined;
  /** A warm connection without work is ended after so long, ms. Default 3,600,000, an hour. */
  maxIdleMs?: number | undefined;
  /** Warm connections, per thread, above which those without work are ended, the least recently used first. Default 5,000. */
  maxWarm?: number | undefined;
  /**
   * Which failed batches are tried again within their round, when and how often. Default: what was lost with its
   * connection, once more and at once, where all of it that has no answer is idempotent.
   */
  retry?: RetryOptions | undefined;
  /** After how many failed drones a round goes no further. Default `never`. */
  stopOn?: StopOn | undefined;
  /**
   * Leaves drones alone that keep failing to connect or answer: their batches fail at once with kind `kicked-out`, they are
   * listed in `kickedOut`, and probed until they answer. `{}` for the defaults. Default: every round contacts every drone.
   */
  kickOut?: KickOutOptions | undefined;
  /** Where metrics go: a hot-shots client, or a StatsD server. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
}

/** The options, complete and checked: what the worker threads are told, and what stays on the main thread. */
export interface QueueSettings extends ThreadSettings {
  readonly name: string;
  readonly callTimeoutMs: number;
  readonly roundDeadlineMs: number;
  readonly retry: RetrySettings;
  readonly stopOn: FailureLimit;
  /** Undefined when drones are not kicked out. */
  readonly kickOut: KickOutSettings | undefined;
  readonly stats: StatsTarget | undefined;
  readonly log: Log | undefined;
}

/** Twelve days, as good as for ever. Agent and thread add their margins to a limit and set timers, which take 24 days. */
const LONGEST_MS = 2 ** 30;

/**
 * All at once would block a thread's loop for 200 to 315 ms at 200 drones; 8 to 16 at once keep the throughput (measured
 * with ssh2 1.17 on Node 20).
 */
const MAX_CONNECTING = 16;

/** Below the 10 from which an sshd drops some by its default, `MaxStartups 10:30:100`. */
const MAX_CONNECTING_PER_ADDRESS = 8;

type CountOption = 'keepaliveCount' | 'maxConnecting' | 'maxConnectingPerAddress' | 'maxWarm';

export function offBeyondLongest(limitMs: number): number {
  return limitMs > LONGEST_MS ? Infinity : limitMs;
}

const QUEUE_NAMES = [
  'name',
  'connectTimeoutMs',
  'callTimeoutMs',
  'roundDeadlineMs',
  'killGraceMs',
  'linkSilenceMs',
  'keepaliveIntervalMs',
  'keepaliveCount',
  'maxConnecting',
  'maxConnectingPerAddress',
  'maxIdleMs',
  'maxWarm',
  'retry',
  'stopOn',
  'kickOut',
  'stats',
  'log',
] satisfies (keyof TaskQueueOptions)[];

/** A limit of time, ms. Throws TypeError (`ERR_INVALID_ARG`) for what is none. */
export function checkLimit(field: string, value: number): number {
  if (typeof value === 'number' && value > 0) return value;
  throw invalidArgument(field, value, 'a number of milliseconds above 0, or Infinity');
}

/** Throws TypeError (`ERR_INVALID_ARG`) for options out of range, and for names beside these and `ownNames`. */
export function readQueueOptions(
  options: TaskQueueOptions,
  defaultName: string,
  ownNames: readonly string[] = [],
): QueueSettings {
  checkNames(options, [...QUEUE_NAMES, ...ownNames]);
  const { name = defaultName } = options;
  if (typeof name !== 'string' || name === '') throw invalidArgument('name', name, 'a non-empty string');
  const limit = (field: keyof TaskQueueOptions & `${string}Ms`, defaultMs: number): number =>
    checkLimit(field, options[field] ?? defaultMs);
  const count = (field: CountOption, defaultCount: number): number => {
    const value = options[field] ?? defaultCount;
    if (typeof value === 'number' && (Number.isInteger(value) || value === Infinity) && value > 0) return value;
    throw invalidArgument(field, value, 'an integer above 0, or Infinity');
  };
  return {
    name,
    connectTimeoutMs: offBeyondLongest(limit('connectTimeoutMs', 10_000)),
    callTimeoutMs: limit('callTimeoutMs', 600_000),
    roundDeadlineMs: limit('roundDeadlineMs', 900_000),
    killGraceMs: Math.min(limit('killGraceMs', 2_000), LONGEST_MS),
    linkSilenceMs: offBeyondLongest(limit('linkSilenceMs', 120_000)),
    keepaliveIntervalMs: offBeyondLongest(limit('keepaliveIntervalMs', 15_000)),
    keepaliveCount: count('keepaliveCount', 3),
    maxConnecting: count('maxConnecting', MAX_CONNECTING),
    maxConnectingPerAddress: count('maxConnectingPerAddress', MAX_CONNECTING_PER_ADDRESS),
    maxIdleMs: offBeyondLongest(limit('maxIdleMs', 3_600_000)),
    maxWarm: count('maxWarm', 5000),
    retry: readRetryOptions(options.retry),
    stopOn: readStopOn(options.stopOn),
    kickOut: readKickOut(options.kickOut),
    stats: options.stats,
    log: options.log,
  };
}

/** The part that worker threads are told. */
export function threadSettings(settings: QueueSettings): ThreadSettings {
  const { connectTimeoutMs, killGraceMs, linkSilenceMs, keepaliveIntervalMs, keepaliveCount } = settings;
  const { maxConnecting, maxConnectingPerAddress, maxIdleMs, maxWarm } = settings;
  return {
    connectTimeoutMs,
    killGraceMs,
    linkSilenceMs,
    keepaliveIntervalMs,
    keepaliveCount,
    maxConnecting,
    maxConnectingPerAddress,
    maxIdleMs,
    maxWarm,
  };
}

/**
 * A drone's batch that failed is tried again within its round, but only where that is safe: each of its calls without an
 * answer has certainly not run, or is idempotent. Values that it had already are kept. Never tried again are failures
 * that come of what the caller gave or did (`auth`, `host-key`, `not-cloneable`, `cancelled`, `callback`), of a drone
 * that speaks no language of ours (`protocol`), and `kicked-out` and `not-contacted`; nor is anything once the round
 * was stopped.
 *
 * A call that threw has run, so that only an idempotent one is called again.
 */
export interface RetryOptions {
  /** How often a batch may be tried in a round, the first time included; 1 is never again. Default 3. */
  attempts?: number | undefined;
  /** Before the second attempt, ms; doubled before each further one, up to 30,000 or this, if it is more. Default 1,000. */
  backoffMs?: number | undefined;
  /** The share of each wait that is left to chance, 0 to 1: with 0.5 a wait takes half its time up to all of it. Default 0.5. */
  jitter?: number | undefined;
  /**
   * Asked, after all of the above, whether to try again; `attempts` of the batch so far. What it throws is logged, and
   * means no. Default: always.
   */
  when?: ((error: DroneError, attempts: number) => boolean) | undefined;
}

/** Which batches are tried again, complete and checked. */
export interface RetrySettings {
  readonly attempts: number;
  readonly backoffMs: number;
  readonly jitter: number;
  readonly when: (error: DroneError, attempts: number) => boolean;
}

/** Whoever marks a call as idempotent need not ask for more, to have it survive a lost connection. */
const WITHOUT_OPTIONS: RetrySettings = {
  attempts: 2,
  backoffMs: 0,
  jitter: 0,
  when: error => error.kind === 'lost',
};

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function readRetryOptions(options: RetryOptions | undefined): RetrySettings {
  if (options === undefined) return WITHOUT_OPTIONS;
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw invalidArgument('retry', options, 'an object such as { attempts: 3 }');
  }
  const read = new OptionReader(options, ['attempts', 'backoffMs', 'jitter', 'when']);
  const isCount = (value: number): boolean => value >= 1 && (Number.isInteger(value) || value === Infinity);
  const { when = () => true } = options;
  if (typeof when !== 'function') throw invalidArgument('when', when, 'a function (error, attempts)');
  return {
    attempts: read.limit('attempts', 'an integer above 0, or Infinity', isCount) ?? 3,
    backoffMs: read.limit('backoffMs', 'a number of milliseconds, 0 or more', value => value >= 0) ?? 1000,
    jitter: read.limit('jitter', 'a number from 0 to 1', value => value >= 0 && value <= 1) ?? 0.5,
    when,
  };
}

/**
 * After how many failed drones a round goes no further: `never`; the `first`; so many; or such a share of the round's
 * drones, above 0 up to 1. All kinds of failure count, unreachable drones and time-outs too, but `kicked-out` (known
 * before the round) and `cancelled` (somebody's wish).
 *
 * Drones that were sent nothing by then fail as `not-contacted`, whether their connection was being opened or not; their
 * calls are back in their queues. Those at work finish, and those that wait to be tried again keep their failure.
 */
export type StopOn = 'never' | 'first' | { readonly failures: number } | { readonly ratio: number };

/** 7 % of 100 is 7, not a little more. */
const ROUNDING = 1e-9;

/** The number of failures that stops a round of so many drones. */
export type FailureLimit = (drones: number) => number;

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function readStopOn(stopOn: StopOn | undefined): FailureLimit {
  if (stopOn === undefined || stopOn === 'never') return () => Infinity;
  if (stopOn === 'first') return () => 1;
  if (typeof stopOn !== 'object' || (stopOn as unknown) === null) throw refusedStopOn(stopOn);
  const read = new OptionReader(stopOn, ['failures', 'ratio']);
  const failures = read.limit('failures', 'an integer above 0', value => Number.isInteger(value) && value > 0);
  const ratio = read.limit('ratio', 'a number above 0, at most 1', value => value > 0 && value <= 1);
  if (failures !== undefined && ratio === undefined) return () => failures;
  if (ratio !== undefined && failures === undefined) return drones => Math.max(1, Math.ceil(ratio * drones - ROUNDING));
  throw refusedStopOn(stopOn);
}

function refusedStopOn(stopOn: unknown): TypeError {
  return invalidArgument('stopOn', stopOn, "'never', 'first', { failures: n } or { ratio: x }");
}

/** When a drone is kicked out, and how often it is then asked whether it answers again. */
export interface KickOutOptions {
  /** So many rounds in a row that show that it does not connect or answer. Default 3. */
  afterFailures?: number | undefined;
  /** From the kick-out, or the end of a probe, to the next probe, ms, give or take a tenth. Default 30,000. */
  probeEveryMs?: number | undefined;
}

/** When a drone is kicked out, complete and checked. */
export interface KickOutSettings {
  readonly afterFailures: number;
  readonly probeEveryMs: number;
}

const KICK_OUT_NAMES = ['afterFailures', 'probeEveryMs'] satisfies (keyof KickOutOptions)[];
/** Twelve days, as good as never, and a moment that a Date can still tell. */
const RAREST_MS = 2 ** 30;

/** Undefined when drones are not kicked out. Throws TypeError (`ERR_INVALID_ARG`) for options out of range. */
export function readKickOut(options: KickOutOptions | undefined): KickOutSettings | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw invalidArgument('kickOut', options, 'an object { afterFailures, probeEveryMs }');
  }
  const reader = new OptionReader(options, KICK_OUT_NAMES);
  const isCount = (value: number): boolean => Number.isInteger(value) && value > 0;
  const afterFailures = reader.limit('afterFailures', 'an integer above 0', isCount) ?? 3;
  const expected = 'a number of milliseconds above 0, or Infinity';
  const probeEveryMs = reader.limit('probeEveryMs', expected, value => value > 0) ?? 30_000;
  return { afterFailures, probeEveryMs: Math.min(probeEveryMs, RAREST_MS) };
}
