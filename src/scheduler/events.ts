import { publisher, subscriber } from '../report/channel.js';

/** A tick is about to start. */
export interface TickStart {
  /** Name of the tick loop. */
  readonly loop: string;
  /** Number of the tick, from 1. */
  readonly tick: number;
}

/** A tick has ended. */
export interface TickEnd {
  readonly loop: string;
  readonly tick: number;
  readonly tookMs: number;
  /** Whether it threw. */
  readonly failed: boolean;
  /** What it threw, which need not be an Error. */
  readonly error?: unknown;
}

/** A drone manager has initialized a drone. */
export interface DroneInitialized {
  /** Name of the drone manager. */
  readonly manager: string;
  readonly hostname: string;
}

/** A drone of a drone manager has failed and takes no new work. Published once until the drone is fresh again. */
export interface DroneStale {
  readonly manager: string;
  readonly hostname: string;
  /** Usually a DroneError. */
  readonly error: Error;
}

/** A stale drone has answered a refresh. */
export interface DroneFresh {
  readonly manager: string;
  readonly hostname: string;
}

/** A drone manager's command certainly has not started and will not start. */
export interface CommandNotStarted {
  readonly manager: string;
  readonly hostname: string;
  /** Path of its pidfile. */
  readonly pidfile: string;
  /** Absent if the drone never got the command. */
  readonly error?: Error | undefined;
}

/** The message of each event of a scheduler, by channel. */
export interface SchedulerMessages {
  'drone-task-queue:tick.start': TickStart;
  'drone-task-queue:tick.end': TickEnd;
  'drone-task-queue:drone.initialized': DroneInitialized;
  'drone-task-queue:drone.stale': DroneStale;
  'drone-task-queue:drone.fresh': DroneFresh;
  'drone-task-queue:command.notstarted': CommandNotStarted;
}

/** Channel names of the scheduler's events; see `events` of the core. */
export const events = {
  /** Carries a `TickStart`. */
  tickStart: 'drone-task-queue:tick.start',
  /** Carries a `TickEnd`. */
  tickEnd: 'drone-task-queue:tick.end',
  /** Carries a `DroneInitialized`. */
  droneInitialized: 'drone-task-queue:drone.initialized',
  /** Carries a `DroneStale`. */
  droneStale: 'drone-task-queue:drone.stale',
  /** Carries a `DroneFresh`. */
  droneFresh: 'drone-task-queue:drone.fresh',
  /** Carries a `CommandNotStarted`. */
  commandNotStarted: 'drone-task-queue:command.notstarted',
} as const satisfies Record<string, keyof SchedulerMessages>;

export const publish = publisher<SchedulerMessages>(Object.values(events));

/** Subscribes to one of `events` with the type of its message. Returns a function that unsubscribes. */
export const subscribe = subscriber<SchedulerMessages>();
