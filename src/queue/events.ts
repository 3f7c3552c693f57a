/**
 * Every fact of a queue as an event, on `node:diagnostics_channel`: one channel per kind of event, named in `events`.
 *
 *     import { subscribe } from 'node:diagnostics_channel';
 *     subscribe(events.roundEnd, message => console.log((message as RoundEnd).tookMs));
 */
import { publisher } from '../report/channel.js';

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

/** A drone takes much longer than the others of its round. Told once per round and drone. */
export interface WorkerSlow {
  readonly queue: string;
  readonly worker: string;
  readonly hostname: string;
  /** Where its batch stands. */
  readonly phase: string;
  /** The call that it is at, or comes next: what `queueCall` gave for it. */
  readonly call: object | undefined;
  /** Since its start, ms. */
  readonly tookMs: number;
  /** Within what time 95 % of those that have finished did, ms. */
  readonly othersMs: number;
}

/** A drone's batch has failed and is about to be tried again. */
export interface DroneRetry {
  readonly queue: string;
  readonly hostname: string;
  /** How often it was tried by now. */
  readonly attempts: number;
  /** Until the next attempt, ms. */
  readonly delayMs: number;
  /** The DroneError that the drone would have failed with. */
  readonly error: Error;
}

/** An agent has something to say that is no failure. */
export interface DroneWarning {
  readonly queue: string;
  readonly hostname: string;
  readonly message: string;
}

/** A drone has failed so often that rounds leave it alone: see the queue's option `kickOut`. */
export interface DroneKickedOut {
  readonly queue: string;
  readonly hostname: string;
  /** So many rounds in a row. */
  readonly failures: number;
  /** Its last DroneError. */
  readonly error: Error;
}

/** A drone that was kicked out has answered; rounds contact it again. */
export interface DroneReadmitted {
  readonly queue: string;
  readonly hostname: string;
  /** When it was kicked out. */
  readonly since: Date;
}

/** A transfer of a file or folder goes on: told about once per MiB, and when the controller's side of it is done. */
export interface FileProgress {
  readonly queue: string;
  readonly hostname: string;
  /** What `queueCall` gave for it; a new one for `queue.call`. */
  readonly call: object;
  /** Sent or received so far. What is sent may be 2 MiB ahead of what has arrived. */
  readonly bytes: number;
  /** Of a single file; not known of folders. */
  readonly totalBytes: number | undefined;
}

/** A connection to a drone is up and its agent takes calls. */
export interface LinkOpen {
  readonly queue: string;
  /** The drone it was made for; others with the same endpoint share it. */
  readonly hostname?: string | undefined;
  /** Name of the endpoint. Holds no secret. */
  readonly key: string;
  /** Absent, as is the version, where the drone has no agent. */
  readonly agentPid?: number | undefined;
  /** The drone's Node version. */
  readonly nodeVersion?: string | undefined;
  /** From the connection's start until the agent was ready, ms. */
  readonly tookMs?: number | undefined;
}

/** A connection to a drone is gone. */
export interface LinkClose {
  readonly queue: string;
  readonly hostname?: string | undefined;
  readonly key: string;
  /** Why, when nobody asked for it; or that the connection was cut since the agent did not end (`ERR_AGENT_ABANDONED`). */
  readonly error?: unknown;
}

/** A worker thread has died; its drones fail with kind `worker-lost` and another thread takes its place. */
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
 * Names of the channels that a queue's events are published on, always on the scheduler's own thread. Messages are read-only and
 * made only when somebody has subscribed. What a subscriber throws becomes an `uncaughtException` of the process, as on
 * every diagnostics channel; it does not touch the round.
 */
export const events = {
  /** Carries a `RoundStart`. */
  roundStart: 'drone-task-queue:round.start',
  /** Carries a `RoundEnd`. */
  roundEnd: 'drone-task-queue:round.end',
  /** Carries a `WorkerStart`. */
  workerStart: 'drone-task-queue:worker.start',
  /** Carries a `WorkerFinish`. */
  workerFinish: 'drone-task-queue:worker.finish',
  /** Carries a `WorkerException`. */
  workerException: 'drone-task-queue:worker.exception',
  /** Carries a `WorkerSlow`. */
  workerSlow: 'drone-task-queue:worker.slow',
  /** Carries a `DroneRetry`. */
  droneRetry: 'drone-task-queue:drone.retry',
  /** Carries a `DroneWarning`. */
  droneWarning: 'drone-task-queue:drone.warning',
  /** Carries a `DroneKickedOut`. */
  droneKickedOut: 'drone-task-queue:drone.kicked-out',
  /** Carries a `DroneReadmitted`. */
  droneReadmitted: 'drone-task-queue:drone.readmit',
  /** Carries a `FileProgress`. */
  fileProgress: 'drone-task-queue:file.progress',
  /** Carries a `LinkOpen`. */
  linkOpen: 'drone-task-queue:link.open',
  /** Carries a `LinkClose`. */
  linkClose: 'drone-task-queue:link.close',
  /** Carries a `ThreadLost`. */
  threadLost: 'drone-task-queue:thread.lost',
} as const satisfies Record<string, keyof EventMessages>;

export const publish = publisher<EventMessages>(Object.values(events));
