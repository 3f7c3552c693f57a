/** The options of a task queue, and of `retry`, `stopOn` and `kickOut` among them: their types, defaults and checks. */
import type { DroneError } from './drone/drone-error.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { countLimit, func, integer, milliseconds, number, text, timeLimit } from '../option/option-kinds.js';
import { group, Option, readOptions, type Settings, type Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { type StatsTarget, statsOption } from '../report/stats.js';
import { MAX_LIMIT_MS } from '../wait/clock.js';
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

export const RETRY = {
  attempts: countLimit().or(3),
  backoffMs: milliseconds({ from: 0, to: Infinity }).or(1000),
  jitter: number({ from: 0, to: 1 }).or(0.5),
  when: func<NonNullable<RetryOptions['when']>>('(error, attempts)').orElse('always', () => () => true),
} satisfies Table<RetryOptions>;

/** Which batches are tried again. */
export type RetrySettings = Settings<typeof RETRY>;

/** A call that is marked as idempotent survives a lost connection without further options. */
const WITHOUT_OPTIONS: RetrySettings = {
  attempts: 2,
  backoffMs: 0,
  jitter: 0,
  when: error => error.kind === 'lost',
};

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

/** The object that `stopOn` may be. */
export const STOP_ON = {
  failures: integer({ from: 1 }),
  ratio: number({ above: 0, to: 1 }),
} satisfies Table<{ failures?: number; ratio?: number }>;

const STOP_ON_EXPECTED = "'never', 'first', { failures: n } or { ratio: x }";

export const stopOnOption = (): Option<StopOn, FailureLimit | undefined> =>
  new Option(STOP_ON_EXPECTED, (stopOn, field) => {
    if (stopOn === undefined) return undefined;
    if (stopOn === 'never') return () => Infinity;
    if (stopOn === 'first') return () => 1;
    if (typeof stopOn !== 'object') throw invalidArgument(field, stopOn, STOP_ON_EXPECTED);
    const { failures, ratio } = readOptions(STOP_ON, stopOn, field);
    if (failures !== undefined && ratio === undefined) return () => failures;
    if (ratio !== undefined && failures === undefined)
      return drones => Math.max(1, Math.ceil(ratio * drones - ROUNDING));
    throw invalidArgument(field, stopOn, STOP_ON_EXPECTED);
  });

/** When a drone is kicked out, and how often it is then asked whether it answers again. */
export interface KickOutOptions {
  /** So many rounds in a row that show that it does not connect or answer. Default 3. */
  afterFailures?: number | undefined;
  /** From the kick-out, or the end of a probe, to the next probe, ms, give or take a tenth. Default 30,000. */
  probeEveryMs?: number | undefined;
}

export const KICK_OUT = {
  afterFailures: integer({ from: 1 }).or(3),
  probeEveryMs: timeLimit()
    .or(30_000)
    // As good as never, and a moment that a Date can still show.
    .as(everyMs => Math.min(everyMs, MAX_LIMIT_MS)),
} satisfies Table<KickOutOptions>;

/** When a drone is kicked out. */
export type KickOutSettings = Settings<typeof KICK_OUT>;

export function offBeyondLongest(limitMs: number): number {
  return limitMs > MAX_LIMIT_MS ? Infinity : limitMs;
}

/**
 * All at once would block a thread's loop for 200 to 315 ms at 200 drones; 8 to 16 at once keep the throughput (measured
 * with ssh2 1.17 on Node 20).
 */
const MAX_CONNECTING = 16;

/** Below the 10 from which an sshd drops some by its default, `MaxStartups 10:30:100`. */
const MAX_CONNECTING_PER_ADDRESS = 8;

/** What the worker threads are told as well. */
const THREAD = {
  connectTimeoutMs: timeLimit().or(10_000).as(offBeyondLongest),
  killGraceMs: timeLimit()
    .or(2_000)
    .as(graceMs => Math.min(graceMs, MAX_LIMIT_MS)),
  linkSilenceMs: timeLimit().or(120_000).as(offBeyondLongest),
  keepaliveIntervalMs: timeLimit().or(15_000).as(offBeyondLongest),
  keepaliveCount: countLimit().or(3),
  maxConnecting: countLimit().or(MAX_CONNECTING),
  maxConnectingPerAddress: countLimit().or(MAX_CONNECTING_PER_ADDRESS),
  maxIdleMs: timeLimit().or(3_600_000).as(offBeyondLongest),
  maxWarm: countLimit().or(5000),
} satisfies Table<ThreadSettings>;

/** The options of every task queue. */
export const TASK_QUEUE = {
  name: text().or('drone_queue'),
  ...THREAD,
  callTimeoutMs: timeLimit().or(600_000),
  roundDeadlineMs: timeLimit().or(900_000),
  retry: group(RETRY).orElse('lost batches once more, at once', () => WITHOUT_OPTIONS),
  stopOn: stopOnOption().orElse('never', (): FailureLimit => () => Infinity),
  kickOut: group(KICK_OUT),
  stats: statsOption(),
  log: logOption(),
} satisfies Table<TaskQueueOptions>;

export type QueueSettings = Settings<typeof TASK_QUEUE>;

/** The part that worker threads are told. */
export function threadSettings(settings: QueueSettings): ThreadSettings {
  const names = Object.keys(THREAD) as (keyof ThreadSettings)[];
  return Object.fromEntries(names.map(name => [name, settings[name]])) as unknown as ThreadSettings;
}
