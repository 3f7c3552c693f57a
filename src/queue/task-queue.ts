/** What a task queue promises, whichever way it runs its rounds, and the options that all of them take. */
import type { AnyDrone, Drone } from './drone/drone.js';
import type { DroneError, DroneResults } from './drone/drone-error.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-reader.js';
import type { Call } from './drone/call.js';
import { type KickOutOptions, type KickOutSettings, readKickOut } from './round/kick-out-options.js';
import type { Log } from '../report/log.js';
import { readRetryOptions, type RetryOptions, type RetrySettings } from './round/retry-options.js';
import type { StatsTarget } from '../report/stats.js';
import { type FailureLimit, readStopOn, type StopOn } from './round/stop-on.js';
import type { Args, MethodName, Result } from './wire/methods.js';
import type { Phase, ThreadSettings } from './wire/messages.js';

/** How to run one round. */
export interface RoundOptions {
  /** Whether `execute` resolves with the results. With `false` they are fetched with `getResults`. Default true. */
  wait?: boolean | undefined;
  /** Ends the round when aborted: code `ERR_ROUND_CANCELLED`, `cause` the signal's reason. */
  signal?: AbortSignal | undefined;
  /** In place of the queue's own. */
  stopOn?: StopOn | undefined;
}

/** What a round came to, failures and all. */
export interface RoundOutcome {
  readonly results: DroneResults;
  readonly failures: Map<AnyDrone, DroneError>;
}

/**
 * Runs the calls queued on drones, a round at a time.
 *
 * Nothing here throws synchronously: refusals are rejections with a DroneTaskQueueException, whose `code` says why:
 * `ERR_RESULTS_NOT_FETCHED`, `ERR_ROUND_IN_FLIGHT`, `ERR_DRONE_TWICE`, `ERR_QUEUE_CLOSED` or `ERR_OPEN_FILES` (the round
 * needs more connections than this process may have open files), checked in this order before anything starts. A refusal leaves every call where it was.
 */
export interface TaskQueue {
  /**
   * Runs all calls and kills queued on the drones. Drones without work are skipped and have no key in the results.
   *
   * Rejects with a DroneTaskQueueException (`ERR_DRONES_FAILED`, or `ERR_ROUND_CANCELLED`) that holds every failure and
   * the results of all other drones; the queue can be used again at once.
   */
  execute(drones: Iterable<AnyDrone>, options?: RoundOptions & { wait?: true | undefined }): Promise<DroneResults>;
  execute(drones: Iterable<AnyDrone>, options: RoundOptions & { wait: false }): Promise<void>;
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what the two above give
  execute(drones: Iterable<AnyDrone>, options: RoundOptions): Promise<DroneResults | void>;
  /** Like `execute`, but a drone's failure is part of what it resolves with. Only a refusal rejects. */
  settle(drones: Iterable<AnyDrone>, options?: Omit<RoundOptions, 'wait'>): Promise<RoundOutcome>;
  /**
   * Waits for all workers of the round in flight, then clears the thread map, then rejects with one
   * DroneTaskQueueException if any drone failed. Good results stay for `getResults`. Without a round it resolves.
   */
  waitOnDrones(): Promise<void>;
  /**
   * Waits for the round in flight and resolves with its results, which are then forgotten here; an empty map when there
   * are none. Rejects as `execute` does; the exception then holds the good results, and they are forgotten here too.
   */
  getResults(): Promise<DroneResults>;
  /**
   * Runs one call now, beside the drone's queue and beside a round in flight.
   * Rejects with the DroneError, or with a refusal (`ERR_QUEUE_CLOSED`).
   */
  call<M, K extends MethodName<M>>(drone: Drone<M>, method: K, ...args: Args<M, K>): Promise<Result<M, K>>;
  /**
   * Takes no more rounds, lets what is in flight finish for up to `graceMs` (default 10,000 ms), cancels the rest, and
   * ends agents, connections and threads. Results not yet fetched stay. A second call gives the same promise.
   *
   * It always resolves: an agent that does not end within 5 s of that (or `killGraceMs`, if that is more), or a thread
   * that does not stop within 5 s, is left behind and is in the report. It rejects for a bad `graceMs` only.
   */
  close(options?: CloseOptions): Promise<CloseReport>;
  /** `close()`, without the report. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How to close a queue. */
export interface CloseOptions {
  /** From this call until what is in flight is cancelled, ms. Default 10,000. */
  graceMs?: number | undefined;
}

/** What a queue that was closed had to leave behind: nothing, when all went well. */
export interface CloseReport {
  readonly abandoned: readonly Abandoned[];
}

/** What `close` could not end. */
export interface Abandoned {
  /**
   * `thread`: a worker thread that could not be stopped, since it hangs in a system call. It is gone once that returns;
   * until then it holds its connections, and holds up the end of the process.
   *
   * `agent`: one whose connection had to be cut. Whether it has ended is not known; one that still runs ends itself once
   * it has heard nothing for `linkSilenceMs`.
   */
  readonly what: 'thread' | 'agent';
  /** The thread, or the one that the agent was served by; 0 is the main thread. */
  readonly threadId: number;
  /** The agent's drone. */
  readonly hostname?: string | undefined;
  readonly message: string;
}

/** One drone's batch in the round in flight. A live view: each read gives the state of now. */
export interface DroneWorker {
  readonly drone: AnyDrone;
  /** `<queue name>.<hostname, dots as _>` */
  readonly name: string;
  readonly phase: Phase;
  /** The call that is awaited, or comes next; undefined when all have answered. */
  readonly call?: Call | undefined;
  /** For how long it has been in this phase, or awaiting this call, ms. */
  readonly sinceMs: number;
  /** The worker thread that serves the drone; 0 is the main thread, -1 not known yet. */
  readonly threadId: number;
}

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

const OPTION_NAMES = [
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
  checkNames(options, [...OPTION_NAMES, ...ownNames]);
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
