/**
 * Every fact of a queue as an event, on `node:diagnostics_channel`: one channel per kind of event, named in `events`.
 *
 *     import { subscribe } from 'node:diagnostics_channel';
 *     subscribe(events.roundEnd, message => console.log((message as RoundEnd).tookMs));
 */
import { publisher, subscriber } from '../report/channel.js';

/** A round has been accepted and is about to start. */
export interface RoundStart {
  /** Name of the queue. */
  readonly queue: string;
  /** How many drones have work in it. */
  readonly drones: number;
}

/** Every worker of a round has finished. */
export interface RoundEnd {
  readonly queue: string;
  readonly tookMs: number;
  /** How many drones have results. */
  readonly results: number;
  /** How many drones have a failure. */
  readonly failures: number;
}

/** A drone's batch is on its way. */
export interface WorkerStart {
  readonly queue: string;
  /** Name of the worker: `<queue>.<hostname, dots as _>`. */
  readonly worker: string;
  readonly hostname: string;
}

/** A drone's batch has ended with results. */
export interface WorkerFinish {
  readonly queue: string;
  readonly worker: string;
  readonly hostname: string;
  readonly tookMs: number;
  /** How many calls it ran. */
  readonly calls: number;
}

/** A drone's batch has ended with a failure. */
export interface WorkerException {
  readonly queue: string;
  readonly worker: string;
  readonly hostname: string;
  /** The drone's DroneError. */
  readonly error: Error;
}

/** A drone takes much longer than the others of its round. Published once per round and drone. */
export interface WorkerSlow {
  readonly queue: string;
  readonly worker: string;
  readonly hostname: string;
  /** The phase of its batch. */
  readonly phase: string;
  /** The current or next call, as returned by `queueCall`. */
  readonly call: object | undefined;
  /** Time since the start of its batch, ms. */
  readonly tookMs: number;
  /** Time within which 95 % of the finished drones finished, ms. */
  readonly othersMs: number;
}

/** A drone's batch has failed and will be retried. */
export interface DroneRetry {
  readonly queue: string;
  readonly hostname: string;
  /** Attempts so far. */
  readonly attempts: number;
  /** Time until the next attempt, ms. */
  readonly delayMs: number;
  /** The DroneError with which the drone would have failed. */
  readonly error: Error;
}

/** An agent reports something that is not a failure. */
export interface DroneWarning {
  readonly queue: string;
  readonly hostname: string;
  readonly message: string;
}

/** After repeated failures, rounds skip a drone from now on: see the queue's option `kickOut`. */
export interface DroneKickedOut {
  readonly queue: string;
  readonly hostname: string;
  /** Failed rounds in a row. */
  readonly failures: number;
  /** Its last DroneError. */
  readonly error: Error;
}

/** A kicked-out drone has answered; rounds contact it again. */
export interface DroneReadmitted {
  readonly queue: string;
  readonly hostname: string;
  /** When it was kicked out. */
  readonly since: Date;
}

/** Progress of a transfer: about once per MiB, and when the controller's side is done. */
export interface FileProgress {
  readonly queue: string;
  readonly hostname: string;
  /** The call, as returned by `queueCall`; a new one for `queue.call`. */
  readonly call: object;
  /** Bytes sent or received so far. Up to 2 MiB of sent bytes may not have arrived yet. */
  readonly bytes: number;
  /** The total of a single file, or of a directory whose call has an `onProgress`. */
  readonly totalBytes: number | undefined;
}

/** A connection to a drone is up and its agent takes calls. */
export interface LinkOpen {
  readonly queue: string;
  /** The drone for which it was opened; others with the same endpoint share it. */
  readonly hostname?: string | undefined;
  /** Name of the endpoint. Holds no secret. */
  readonly key: string;
  /** Absent, like the version, for a drone without an agent. */
  readonly agentPid?: number | undefined;
  /** The drone's Node version. */
  readonly nodeVersion?: string | undefined;
  /** Time from the connection's start until the agent was ready, ms. */
  readonly tookMs?: number | undefined;
}

/** A connection to a drone is gone. */
export interface LinkClose {
  readonly queue: string;
  readonly hostname?: string | undefined;
  readonly key: string;
  /**
   * The reason, unless the queue itself closed it; `ERR_AGENT_ABANDONED` if it was cut because the agent did not end.
   */
  readonly error?: unknown;
}

/** A worker thread has died: its drones fail with kind `worker-lost`, and another thread replaces it. */
export interface ThreadLost {
  readonly queue: string;
  readonly threadId: number;
  readonly cause: unknown;
}

/** The messages, by the name of their channel. */
export interface EventMessages {
  'drone-task-queue:round.start': RoundStart;
  'drone-task-queue:round.end': RoundEnd;
  'drone-task-queue:worker.start': WorkerStart;
  'drone-task-queue:worker.finish': WorkerFinish;
  'drone-task-queue:worker.exception': WorkerException;
  'drone-task-queue:worker.slow': WorkerSlow;
  'drone-task-queue:drone.retry': DroneRetry;
  'drone-task-queue:drone.warning': DroneWarning;
  'drone-task-queue:drone.kicked-out': DroneKickedOut;
  'drone-task-queue:drone.readmit': DroneReadmitted;
  'drone-task-queue:file.progress': FileProgress;
  'drone-task-queue:link.open': LinkOpen;
  'drone-task-queue:link.close': LinkClose;
  'drone-task-queue:thread.lost': ThreadLost;
}

/** Name of an event's channel. */
export type EventName = keyof EventMessages;

/**
 * Names of the channels for a queue's events, which are published on the scheduler's own thread. Messages are read-only
 * and created only if there are subscribers. `EventMessages` lists the message of each channel. An error thrown by a
 * subscriber becomes an `uncaughtException` of the process, as on every diagnostics channel; the round continues.
 */
export const events = {
  roundStart: 'drone-task-queue:round.start',
  roundEnd: 'drone-task-queue:round.end',
  workerStart: 'drone-task-queue:worker.start',
  workerFinish: 'drone-task-queue:worker.finish',
  workerException: 'drone-task-queue:worker.exception',
  workerSlow: 'drone-task-queue:worker.slow',
  droneRetry: 'drone-task-queue:drone.retry',
  droneWarning: 'drone-task-queue:drone.warning',
  droneKickedOut: 'drone-task-queue:drone.kicked-out',
  droneReadmitted: 'drone-task-queue:drone.readmit',
  fileProgress: 'drone-task-queue:file.progress',
  linkOpen: 'drone-task-queue:link.open',
  linkClose: 'drone-task-queue:link.close',
  threadLost: 'drone-task-queue:thread.lost',
} as const satisfies Record<string, keyof EventMessages>;

export const publish = publisher<EventMessages>(Object.values(events));

/** Subscribes to one of `events` with the type of its message. Returns a function that unsubscribes. */
export const subscribe = subscriber<EventMessages>();
