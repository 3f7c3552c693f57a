/**
 * Every fact as an event, on `node:diagnostics_channel`: one channel per kind of event, named in `events`.
 *
 *     import { subscribe } from 'node:diagnostics_channel';
 *     subscribe(events.roundEnd, message => console.log((message as RoundEnd).tookMs));
 */
import { channel, type Channel } from 'node:diagnostics_channel';

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

/** A tick loop's tick is about to start. */
export interface TickStart {
  /** Name of the tick loop. */
  readonly loop: string;
  /** Number of the tick, from 1. */
  readonly tick: number;
}

/** A tick loop's tick has ended, well or not. */
export interface TickEnd {
  readonly loop: string;
  readonly tick: number;
  readonly tookMs: number;
  /** Whether it threw. */
  readonly failed: boolean;
  /** What it threw, an Error or not. */
  readonly error?: unknown;
}

/** A section of a store has ended, well or not. */
export interface SectionEnd {
  /** Name of the store. */
  readonly store: string;
  /** The `why` of a section that writes, the `name` of one that reads. */
  readonly section: string;
  readonly writes: boolean;
  /** From the begin of its transaction, ms. */
  readonly tookMs: number;
  /** Whether nothing of it was kept. */
  readonly failed: boolean;
  /** What it rejects with, an Error or not. */
  readonly error?: unknown;
}

/** A section has been open, or has waited for its turn to write, for longer than the store's `slowSectionMs`. Told once of each. */
export interface SectionSlow {
  readonly store: string;
  readonly section: string;
  readonly writes: boolean;
  /** Where it was opened: `file:line:column`. */
  readonly openedAt: string;
  /** Whether it still waits for its turn. */
  readonly waits: boolean;
  /** So far, ms. */
  readonly tookMs: number;
}

/** A repeatable section has failed since other transactions were in the way, and is about to be tried again. */
export interface SectionRetry {
  readonly store: string;
  readonly section: string;
  readonly writes: boolean;
  /** How often it was tried by now. */
  readonly attempts: number;
  /** The database's own. */
  readonly error: unknown;
}

/** A tenant was to get a new layout, and has or has not. */
export interface LayoutEnd {
  readonly tenant: string;
  /** `loaded`, `failed`, `gone` or `busy`: as in the loader's report. */
  readonly outcome: string;
  readonly tookMs: number;
  /** How many problems the report has of it. */
  readonly problems: number;
}

/** An executor has done a job, well or not, and is about to answer it. */
export interface JobEnd {
  /** Of the executor. */
  readonly host: string;
  readonly id: string;
  /** Name of the job: `executor:execute`, `merger:merge`, … */
  readonly job: string;
  readonly tookMs: number;
  /** Whether it was not done; commands that exit with something else than 0 were, as was a merge that was refused. */
  readonly failed: boolean;
  /** What it failed with, an Error or not. */
  readonly error?: unknown;
}

/** A shard's heartbeat has ended, well or not. */
export interface HeartbeatEnd {
  /** Name of the shard client. */
  readonly client: string;
  readonly shardHostname: string;
  /** From the packet's making until the reply was taken over, ms. */
  readonly tookMs: number;
  /** Jobs that were in the packet to be uploaded, and those that the master has acknowledged and that are settled so. */
  readonly uploadedJobs: number;
  readonly settledJobs: number;
  /** Records of the reply that were taken over, of all kinds, and that could not be. */
  readonly takenRecords: number;
  readonly badRecords: number;
  readonly failed: boolean;
  /** What it failed with, an Error or not. */
  readonly error?: unknown;
}

/** An executor has brought a repository up to date, or has not. */
export interface UpdateEnd {
  readonly host: string;
  readonly connection: string;
  readonly project: string;
  readonly tookMs: number;
  readonly failed: boolean;
  /** As a rule a GitError. */
  readonly error?: unknown;
}

/** A drone manager has initialized a drone. */
export interface DroneInitialized {
  /** Name of the drone manager. */
  readonly manager: string;
  readonly hostname: string;
}

/** A drone of a drone manager has failed: what is known of it grows old, and it takes no new work. Told once. */
export interface DroneStale {
  readonly manager: string;
  readonly hostname: string;
  /** As a rule the drone's DroneError. */
  readonly error: Error;
}

/** A stale drone has answered a refresh. */
export interface DroneFresh {
  readonly manager: string;
  readonly hostname: string;
}

/** A command that was ordered of a drone manager has certainly not started, and will not. */
export interface CommandNotStarted {
  readonly manager: string;
  readonly hostname: string;
  /** Path of its pidfile. */
  readonly pidfile: string;
  /** Why; absent where the drone never got it. */
  readonly error?: Error | undefined;
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
  'drone-task-queue:drone.kickout': DroneKickedOut;
  'drone-task-queue:drone.readmit': DroneReadmitted;
  'drone-task-queue:file.progress': FileProgress;
  'drone-task-queue:link.open': LinkOpen;
  'drone-task-queue:link.close': LinkClose;
  'drone-task-queue:thread.lost': ThreadLost;
  'drone-task-queue:tick.start': TickStart;
  'drone-task-queue:tick.end': TickEnd;
  'drone-task-queue:section.end': SectionEnd;
  'drone-task-queue:section.slow': SectionSlow;
  'drone-task-queue:section.retry': SectionRetry;
  'drone-task-queue:layout.end': LayoutEnd;
  'drone-task-queue:job.end': JobEnd;
  'drone-task-queue:update.end': UpdateEnd;
  'drone-task-queue:heartbeat.end': HeartbeatEnd;
  'drone-task-queue:drone.initialized': DroneInitialized;
  'drone-task-queue:drone.stale': DroneStale;
  'drone-task-queue:drone.fresh': DroneFresh;
  'drone-task-queue:command.notstarted': CommandNotStarted;
}

/** Name of an event's channel. */
export type EventName = keyof EventMessages;

/**
 * Names of the channels that events are published on, always on the scheduler's own thread. Messages are read-only and
 * made only when somebody has subscribed. What a subscriber throws becomes an `uncaughtException` of the process, as on
 * every diagnostics channel; it does not touch the round or tick it was told about.
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
  droneKickedOut: 'drone-task-queue:drone.kickout',
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
  /** Carries a `TickStart`. */
  tickStart: 'drone-task-queue:tick.start',
  /** Carries a `TickEnd`. */
  tickEnd: 'drone-task-queue:tick.end',
  /** Carries a `SectionEnd`. */
  sectionEnd: 'drone-task-queue:section.end',
  /** Carries a `SectionSlow`. */
  sectionSlow: 'drone-task-queue:section.slow',
  /** Carries a `SectionRetry`. */
  sectionRetry: 'drone-task-queue:section.retry',
  /** Carries a `LayoutEnd`. */
  layoutEnd: 'drone-task-queue:layout.end',
  /** Carries a `JobEnd`. */
  jobEnd: 'drone-task-queue:job.end',
  /** Carries an `UpdateEnd`. */
  updateEnd: 'drone-task-queue:update.end',
  /** Carries a `HeartbeatEnd`. */
  heartbeatEnd: 'drone-task-queue:heartbeat.end',
  /** Carries a `DroneInitialized`. */
  droneInitialized: 'drone-task-queue:drone.initialized',
  /** Carries a `DroneStale`. */
  droneStale: 'drone-task-queue:drone.stale',
  /** Carries a `DroneFresh`. */
  droneFresh: 'drone-task-queue:drone.fresh',
  /** Carries a `CommandNotStarted`. */
  commandNotStarted: 'drone-task-queue:command.notstarted',
} as const satisfies Record<string, EventName>;

/** Node holds channels weakly: with no reference of ours, one without subscribers would be made anew each time. */
const channels = new Map<EventName, Channel>(Object.values(events).map(name => [name, channel(name)]));

/** Publishes an event. Without subscribers `message` is not called, and it costs a map lookup. */
export function publish<K extends EventName>(name: K, message: () => EventMessages[K]): void {
  const found = channels.get(name);
  if (found?.hasSubscribers === true) found.publish(message());
}
