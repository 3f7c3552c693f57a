/** The options of a task queue, and of `retry`, `stopOn` and `kickOut` among them: their types, defaults and checks. */
import type { DroneError } from './drone/drone-error.js';
import { ERROR_KINDS } from './drone/error-kinds.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { countLimit, func, integer, milliseconds, number, oneOf, text, timeLimit } from '../option/option-kinds.js';
import { group, Option, readOptions, type Settings, type Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { type StatsTarget, metricsOption } from '../report/metrics-target.js';
import { MAX_LIMIT_MS } from '../wait/clock.js';
import type { ThreadSettings } from './wire/messages.js';

/** Options of every task queue. Times are on the monotonic clock; `Infinity` switches a limit off. */
export interface TaskQueueOptions {
  /** Name in worker names, metrics and log lines. Default `thread_queue`, or `drone_queue` for DroneTaskQueue. */
  name?: string | undefined;
  /**
   * From a connection's start until the drone's agent is ready, over all hops, ms, not counting waits for a turn to
   * connect or between attempts. Default 10,000.
   */
  connectTimeoutMs?: number | undefined;
  /** From the moment when a call may start on its drone until its answer, ms. Default 600,000. */
  callTimeoutMs?: number | undefined;
  /**
   * From `execute` until the round is stopped, ms. Drones that have not finished by then fail with `timeout`, and their
   * commands are terminated; the round ends at most `killGraceMs` later. Default 900,000.
   */
  roundDeadlineMs?: number | undefined;
  /** From TERM to KILL for the processes of a terminated call, ms. Default 2,000. */
  killGraceMs?: number | undefined;
  /** An agent exits after hearing nothing for this long, ms. Default 120,000. */
  linkSilenceMs?: number | undefined;
  /**
   * How often each connection is checked, through SSH and through the agent, ms. A connection that was silent for
   * longer is probed before use. Default 15,000.
   */
  keepaliveIntervalMs?: number | undefined;
  /** Unanswered keepalives after which the connection counts as lost (kind `lost`). Default 3. */
  keepaliveCount?: number | undefined;
  /** Maximum number of connections being opened at once, per thread. Default 16. */
  maxConnecting?: number | undefined;
  /**
   * How many of these may go to one server (drone or jump host), until the login. A server that drops some, such as an
   * sshd with `MaxStartups`, gets fewer; dropped connections are retried for `connectTimeoutMs`, at most 30 s.
   * Default 8.
   */
  maxConnectingPerAddress?: number | undefined;
  /** A warm connection is closed after this long without work, ms. Default 3,600,000, an hour. */
  maxIdleMs?: number | undefined;
  /**
   * Warm connections per thread; beyond this number, idle ones are closed, least recently used first. Default 5,000.
   */
  maxWarm?: number | undefined;
  /**
   * Which failed batches are retried within their round, when and how often. Default: once, immediately, after a lost
   * connection if all unanswered calls are idempotent.
   */
  retry?: RetryOptions | undefined;
  /** The number of failed drones after which a round contacts no further ones. Default `never`. */
  stopOn?: StopOn | undefined;
  /**
   * What a round does with calls and kills that it has not run. Default `requeue`; a scheduler that ticks should use
   * `drop`.
   */
  leftovers?: LeftoversRule | undefined;
  /**
   * Skips drones that repeatedly fail to connect or answer: their batches fail at once with kind `kicked-out`, and the
   * queue lists these drones in `kickedOut` and probes them until they answer. `{}` uses the defaults. Default: never.
   */
  kickOut?: KickOutOptions | undefined;
  /** Where metrics go: a hot-shots client, or a StatsD server. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
}

/**
 * A `run` that was cut off is never retried unless it is `idempotent`: mark it with `drone.with({ idempotent: true })`,
 * or mark all calls of a drone with its option `defaults: { idempotent: true }`.
 *
 * The queue retries a failed batch within its round only if that is safe: each unanswered call has certainly not run,
 * or is idempotent. The batch keeps the values that it already has. A call that threw has run, so it runs again only if
 * it is idempotent.
 *
 * The kinds `auth`, `host-key`, `not-cloneable`, `cancelled`, `callback`, `protocol`, `kicked-out` and `not-contacted`
 * are never retried; nothing is retried once the round has been stopped.
 */
export interface RetryOptions {
  /** Attempts per round, including the first; 1 for no retry. Default 3. */
  attempts?: number | undefined;
  /**
   * Wait before the second attempt, ms; doubles with each further one, up to 30,000, or to this value if it is longer.
   * Default 1,000.
   */
  backoffMs?: number | undefined;
  /** Random share of each wait, 0 to 1: with 0.5 a wait takes between half and all of its time. Default 0.5. */
  jitter?: number | undefined;
  /**
   * Has the final say on whether to retry; `attempts` is the number so far. If it throws, the error is logged and there
   * is no retry. Default: always.
   */
  when?: ((error: DroneError, attempts: number) => boolean) | undefined;
}

export const RETRY = {
  attempts: countLimit().or(3),
  backoffMs: milliseconds({ from: 0, to: Infinity }).or(1000),
  jitter: number({ from: 0, to: 1 }).or(0.5),
  when: func<NonNullable<RetryOptions['when']>>('(error, attempts)').orElse('always', () => () => true),
} satisfies Table<RetryOptions>;

export type RetrySettings = Settings<typeof RETRY>;

/** An idempotent call survives a lost connection without further options. */
const WITHOUT_OPTIONS: RetrySettings = {
  attempts: 2,
  backoffMs: 0,
  jitter: 0,
  when: error => ERROR_KINDS[error.kind].retry === 'default',
};

/**
 * How many failed drones stop a round: `never`, the `first`, a number, or a share of the round's drones, above 0 and up
 * to 1. All kinds count except `kicked-out` (known before the round) and `cancelled`.
 *
 * Drones to which nothing has been sent by then fail with kind `not-contacted`, and their calls return to their queues.
 * Drones at work finish; drones that wait for a retry keep their failure.
 */
export type StopOn = 'never' | 'first' | { readonly failures: number } | { readonly ratio: number };

/**
 * What a round does with calls and kills that certainly did not run, and with idempotent calls without an answer.
 *
 * - `requeue` returns them to the front of their drone's queue, so the next round runs them first.
 * - `drop` discards them. Use it if every tick queues the same calls. Otherwise a drone that is down accumulates calls
 *   and runs them all when it is back. `drone.requeue(failure.notStarted)` returns calls by hand.
 */
export type LeftoversRule = 'requeue' | 'drop';

export const leftoversOption = (): Option<LeftoversRule> => oneOf('requeue', 'drop');

/** In floating point 7 % of 100 is a little more than 7. */
const ROUNDING = 1e-9;

/** The number of failures that stops a round of this many drones. */
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

/** When to kick out a drone, and how often to probe it afterwards. */
export interface KickOutOptions {
  /** Consecutive rounds in which the drone does not connect or answer. Default 3. */
  afterFailures?: number | undefined;
  /** From the kick-out or the end of a probe to the next probe, ms, give or take a tenth. Default 30,000. */
  probeEveryMs?: number | undefined;
}

export const KICK_OUT = {
  afterFailures: integer({ from: 1 }).or(3),
  probeEveryMs: timeLimit()
    .or(30_000)
    // Stays within the range of a Date.
    .as(everyMs => Math.min(everyMs, MAX_LIMIT_MS)),
} satisfies Table<KickOutOptions>;

export type KickOutSettings = Settings<typeof KICK_OUT>;

export function offBeyondLongest(limitMs: number): number {
  return limitMs > MAX_LIMIT_MS ? Infinity : limitMs;
}

/**
 * Opening 200 at once blocks a thread's loop for 200 to 315 ms; 8 to 16 keep the throughput (ssh2 1.17 on Node 20).
 */
const MAX_CONNECTING = 16;

/** By default, `MaxStartups 10:30:100`, an sshd drops some from 10 on. */
const MAX_CONNECTING_PER_ADDRESS = 8;

/** The options that the worker threads need as well. */
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
  leftovers: leftoversOption().or('requeue'),
  kickOut: group(KICK_OUT),
  stats: metricsOption(),
  log: logOption(),
} satisfies Table<TaskQueueOptions>;

export type QueueSettings = Settings<typeof TASK_QUEUE>;

export function threadSettings(settings: QueueSettings): ThreadSettings {
  const names = Object.keys(THREAD) as (keyof ThreadSettings)[];
  return Object.fromEntries(names.map(name => [name, settings[name]])) as unknown as ThreadSettings;
}
