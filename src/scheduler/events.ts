/** The events of the scheduler. */
import { publisher } from '../report/channel.js';

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

interface SchedulerMessages {
  'drone-task-queue:tick.start': TickStart;
  'drone-task-queue:tick.end': TickEnd;
  'drone-task-queue:drone.initialized': DroneInitialized;
  'drone-task-queue:drone.stale': DroneStale;
  'drone-task-queue:drone.fresh': DroneFresh;
  'drone-task-queue:command.notstarted': CommandNotStarted;
}

/** Names of the channels that the events of the scheduler are published on; see `events` of the core. */
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
