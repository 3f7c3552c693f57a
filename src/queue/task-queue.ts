/** What a task queue promises, whichever way it runs its rounds. */
import type { AnyDrone, Drone } from './drone/drone.js';
import type { DroneError, DroneResults } from './drone/drone-error.js';
import type { Call } from './drone/call.js';
import { abortSignal, flag, milliseconds } from '../option/option-kinds.js';
import type { Settings, Table } from '../option/option-table.js';
import { type StopOn, stopOnOption } from './queue-options.js';
import type { MethodArgs, MethodName, MethodResult } from './wire/methods.js';
import type { Phase } from './wire/messages.js';

/** How to run one round. */
export interface RoundOptions {
  /** Whether `execute` resolves with the results. With `false` they are fetched with `getResults`. Default true. */
  wait?: boolean | undefined;
  /** Ends the round when aborted: code `ERR_ROUND_CANCELLED`, `cause` the signal's reason. */
  signal?: AbortSignal | undefined;
  /** In place of the queue's own. */
  stopOn?: StopOn | undefined;
}

export const ROUND = {
  wait: flag().or(true),
  signal: abortSignal(),
  stopOn: stopOnOption(),
} satisfies Table<RoundOptions>;

export type RoundSettings = Settings<typeof ROUND>;

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
  call<M, K extends MethodName<M>>(drone: Drone<M>, method: K, ...args: MethodArgs<M, K>): Promise<MethodResult<M, K>>;
  /**
   * Takes no more rounds, lets what is in flight finish for up to `graceMs` (default 10,000 ms), cancels the rest, and
   * ends agents, connections and threads. Results not yet fetched stay. A second call gives the same promise.
   *
   * It always resolves: an agent that does not end within 5 s of that (or `killGraceMs`, if that is more), or a thread
   * that does not stop within 5 s, is left behind and is in the report. It rejects for bad options only.
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

export const CLOSE = {
  graceMs: milliseconds({ from: 0, to: Infinity }).or(10_000),
} satisfies Table<CloseOptions>;

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
  readonly inPhaseMs: number;
  /** The worker thread that serves the drone; 0 is the main thread, -1 not known yet. */
  readonly threadId: number;
}
