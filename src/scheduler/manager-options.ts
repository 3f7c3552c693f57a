import { type Clock, clockOption } from '../wait/clock.js';
import { checkDrone } from '../queue/drone/drone.js';
import { abortSignal, flag, milliseconds, number, text, timeLimit } from '../option/option-kinds.js';
import { Option, type Settings, type Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { type StatsTarget, metricsOption } from '../report/metrics-target.js';
import type { ManagedDrone } from './managed-drone.js';

/** Options of a drone manager. */
export interface DroneManagerOptions {
  /** For log lines, events and metrics. Default `drone_manager`. */
  name?: string | undefined;
  /** The target of `copyToResultsRepository` and `writeLinesToFile`. Default: the controller, this machine. */
  resultsDrone?: ManagedDrone | undefined;
  /** A pidfile that was neither read nor registered during more than this many refreshes is forgotten. Default 2000. */
  maxPidfileAge?: number | undefined;
  /**
   * If it is unknown whether the drone got a command: how long the command may still start after the first refresh that
   * found no trace of it, ms. Should be at least the time for which an agent outlives its connection (the queue's
   * `linkSilenceMs` plus `killGraceMs`). Default 125,000.
   */
  startGraceMs?: number | undefined;
  /**
   * A drone that has not answered a refresh within this time is stale, ms. For each attempt, the clock starts when the
   * refresh may start on the drone, after the connection is open. Also limits `initialize`, and how long
   * `executeActions` waits for copies from drone to drone. Default 60,000.
   */
  refreshTimeoutMs?: number | undefined;
  /**
   * Where metrics go: the timing `drone_task_queue.<name>.refresh`, the gauges `active_processes`, `max_processes` (of
   * usable drones) and `stale_drones`, and the counter `not_started` (of commands). Default: none.
   */
  stats?: StatsTarget | undefined;
  /** Default: silent. */
  log?: Log | undefined;
  /** Default: real time. */
  clock?: Clock | undefined;
}

/** Options of a drone manager's rounds. */
export interface ManagerRoundOptions {
  /** Ends the round when it aborts. Calls that have not started by then stay queued. */
  signal?: AbortSignal | undefined;
}

export const MANAGER_ROUND = { signal: abortSignal() } satisfies Table<ManagerRoundOptions>;

export const PIDFILE_CONTENTS = {
  secondRead: flag().or(false),
} satisfies Table<{ secondRead?: boolean | undefined }>;

/** The queue's defaults for an agent whose link is silent, and some seconds for it to end. */
const DEFAULT_START_GRACE_MS = 125_000;

export const DRONE_MANAGER = {
  name: text().or('drone_manager'),
  resultsDrone: new Option<ManagedDrone>('a drone', (drone, field) => {
    if (drone !== undefined) checkDrone(field, drone);
    return drone as ManagedDrone | undefined;
  }),
  maxPidfileAge: number({ from: 0, to: Infinity }).or(2000),
  startGraceMs: milliseconds({ from: 0, to: Infinity }).or(DEFAULT_START_GRACE_MS),
  refreshTimeoutMs: timeLimit().or(60_000),
  stats: metricsOption(),
  log: logOption(),
  clock: clockOption(),
} satisfies Table<DroneManagerOptions>;

export type ManagerSettings = Settings<typeof DRONE_MANAGER>;
