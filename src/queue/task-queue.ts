/** The contract of every task queue. */
import type { AnyDrone, CallTarget } from './drone/drone.js';
import type { DroneError, DroneResults } from './drone/drone-error.js';
import type { Call } from './drone/call.js';
import { abortSignal, flag, milliseconds } from '../option/option-kinds.js';
import type { Settings, Table } from '../option/option-table.js';
import { type LeftoversRule, leftoversOption, type StopOn, stopOnOption } from './queue-options.js';
import type { MethodArgs, MethodName, MethodResult } from './wire/methods.js';
import type { Phase } from './wire/messages.js';

/** How to run one round. */
export interface RoundOptions {
  /** Whether `execute` resolves with the results. With `false`, fetch them with `getResults`. Default true. */
  wait?: boolean | undefined;
  /** Ends the round when it aborts, with code `ERR_ROUND_CANCELLED` and the signal's reason as `cause`. */
  signal?: AbortSignal | undefined;
  /** Replaces the queue's own. */
  stopOn?: StopOn | undefined;
  /** Replaces the queue's own. */
  leftovers?: LeftoversRule | undefined;
}

export const ROUND = {
  wait: flag().or(true),
  signal: abortSignal(),
  stopOn: stopOnOption(),
  leftovers: leftoversOption(),
} satisfies Table<RoundOptions>;

export type RoundSettings = Settings<typeof ROUND>;

/** A round that `start` has begun. */
export interface StartedRound {
  /**
   * Waits for the round and resolves with its results, or rejects as `execute` does. Every call returns the same
   * promise. Use this instead of `getResults`: once `getResults` has fetched the results, this rejects with
   * `ERR_RESULTS_TAKEN`.
   */
  results(): Promise<DroneResults>;
}

/** The outcome of a round, with its failures. */
export interface RoundOutcome {
  readonly results: DroneResults;
  readonly failures: Map<AnyDrone, DroneError>;
}

/**
 * Runs the calls that are queued on drones, one round at a time.
 *
 * No method throws synchronously. A refusal rejects with a DroneTaskQueueException with the code
 * `ERR_RESULTS_NOT_FETCHED`, `ERR_ROUND_IN_FLIGHT`, `ERR_DRONE_TWICE`, `ERR_QUEUE_CLOSED` or `ERR_OPEN_FILES` (more
 * connections than this process may have open files), checked in this order before anything starts. A refusal leaves
 * every call where it was.
 */
export interface TaskQueue {
  /**
   * Runs all calls and kills queued on the drones. Drones without work are skipped and have no key in the results.
   *
   * Rejects with a DroneTaskQueueException (`ERR_DRONES_FAILED`, or `ERR_ROUND_CANCELLED`) that holds every failure and
   * the results of all other drones; the queue can be used again at once.
   */
  execute(drones: Iterable<AnyDrone>, options?: RoundOptions & { wait?: true | undefined }): Promise<DroneResults>;
  /** Resolves without the results: fetch them with `getResults`. */
  execute(drones: Iterable<AnyDrone>, options: RoundOptions & { wait: false }): Promise<void>;
  /** For code in which `wait` is known only at run time. */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what the two above give
  execute(drones: Iterable<AnyDrone>, options: RoundOptions): Promise<DroneResults | void>;
  /**
   * Starts a round like `execute` and returns at once, so that the caller is free while the drones work. A refusal also
   * rejects `results()`.
   *
   * ```ts
   * const round = queue.start(drones);
   * await otherWork();
   * const results = await round.results();
   * ```
   */
  start(drones: Iterable<AnyDrone>, options?: Omit<RoundOptions, 'wait'>): StartedRound;
  /** Like `execute`, but resolves with the failures as well. Only a refusal rejects. */
  settle(drones: Iterable<AnyDrone>, options?: Omit<RoundOptions, 'wait'>): Promise<RoundOutcome>;
  /**
   * Waits for all workers of the round in flight, then clears the thread map, then rejects with one
   * DroneTaskQueueException if any drone failed. Good results stay available for `getResults`. If there is no round, it
   * resolves.
   */
  waitOnDrones(): Promise<void>;
  /**
   * Waits for the round in flight and resolves with its results, or with an empty map if there are none. Rejects as
   * `execute` does; the exception then holds the good results. In both cases the queue drops the results.
   */
  getResults(): Promise<DroneResults>;
  /**
   * Runs one call now, beside the drone's queue and beside a round in flight. Instead of a drone, it also takes the
   * result of `drone.with(options)`, for a time limit, a signal or `onOutput`. Several calls at once run side by side,
   * even on one drone.
   *
   * Rejects with the DroneError, with a refusal (`ERR_QUEUE_CLOSED`), or with a RangeError (`ERR_TOO_MANY_CALLS`) if
   * the drone's `maxQueuedCalls` is exceeded.
   *
   * ```ts
   * const signal = AbortSignal.timeout(60_000); // including the time to connect
   * await queue.call(drone.with({ signal, onOutput: (_, chunk) => process.stdout.write(chunk) }), 'run', 'make');
   * ```
   */
  call<M, K extends MethodName<M>>(
    drone: CallTarget<M>,
    method: K,
    ...args: MethodArgs<M, K>
  ): Promise<MethodResult<M, K>>;
  /**
   * Refuses new rounds, lets work in flight finish for up to `graceMs` (default 10,000 ms), cancels the rest, and ends
   * agents, connections and threads. Unfetched results stay available. A second call returns the same promise.
   *
   * Rejects only for invalid options. The report lists what was abandoned: agents that do not end within 5 s (or
   * `killGraceMs`, if that is longer) and threads that do not stop within 5 s.
   */
  close(options?: CloseOptions): Promise<CloseReport>;
  /** `close()`, without the report. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How to close a queue. */
export interface CloseOptions {
  /** From the call of `close` until rounds and calls in flight are cancelled, ms. Default 10,000. */
  graceMs?: number | undefined;
}

export const CLOSE = {
  graceMs: milliseconds({ from: 0, to: Infinity }).or(10_000),
} satisfies Table<CloseOptions>;

/** What a closed queue had to abandon: nothing, if all went well. */
export interface CloseReport {
  readonly abandoned: readonly Abandoned[];
}

/** What `close` could not end. */
export interface Abandoned {
  /**
   * `thread`: a worker thread that hangs in a system call. Until that call returns, the thread holds its connections
   * and keeps the process from ending.
   *
   * `agent`: an agent whose connection had to be cut. If it still runs, it exits after `linkSilenceMs` of silence. With
   * `agent: 'none'`, a command that was to end, and whose end the drone has not confirmed: it may live on.
   */
  readonly what: 'thread' | 'agent';
  /** The thread, or the thread that served the agent; 0 is the main thread. */
  readonly threadId: number;
  /** The agent's drone. */
  readonly hostname?: string | undefined;
  readonly message: string;
}

/** One drone's batch in the round in flight. This is a live view: each read returns the current state. */
export interface DroneWorker {
  readonly drone: AnyDrone;
  /** `<queue name>.<hostname, dots as _>` */
  readonly name: string;
  readonly phase: Phase;
  /** The current or next call; undefined when all calls have been answered. */
  readonly call?: Call | undefined;
  /** Time in this phase, or on this call, ms. */
  readonly inPhaseMs: number;
  /** The worker thread that serves the drone; 0 is the main thread, -1 means not known yet. */
  readonly threadId: number;
}
