/** The options of a drone manager and of its rounds. */
import { type Clock, clockOption } from '../wait/clock.js';
import { checkDrone } from '../queue/drone/drone.js';
import { abortSignal, flag, milliseconds, number, text, timeLimit } from '../option/option-kinds.js';
import { Option, type Settings, type Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { type StatsTarget, statsOption } from '../report/stats.js';
import type { ManagedDrone } from './managed-drone.js';

/** How a drone manager works. */
export interface DroneManagerOptions {
  /** For log lines, events and metrics. Default `drone_manager`. */
  name?: string | undefined;
  /** Where `copyToResultsRepository` and `writeLinesToFile` put things. Default: the controller, this machine. */
  resultsDrone?: ManagedDrone | undefined;
  /** A pidfile that was neither read nor registered for more refreshes than this is forgotten. Default 2000. */
  maxPidfileAge?: number | undefined;
  /**
   * For how long a command may still start of which nobody knows whether the drone got it, ms, from the first refresh that
   * has found nothing of it: as long as an agent outlives its connection, the queue's `linkSilenceMs` and `killGraceMs`.
   * Default 125,000.
   */
  startGraceMs?: number | undefined;
  /**
   * A drone that has not answered a refresh after so long is stale, ms: the tick goes on without it. Per attempt of the
   * queue, from when the refresh may start on the drone; the way there comes on top. Of `initialize`, from when it is asked
   * for; and so long `executeActions` waits for copies from drone to drone. Default 60,000.
   */
  refreshTimeoutMs?: number | undefined;
  /**
   * Where metrics go: the timing `drone_task_queue.<name>.refresh`, the gauges `active_processes`, `max_processes` (of usable
   * drones) and `stale_drones`, and the counter `not_started` of commands. Default: nowhere.
   */
  stats?: StatsTarget | undefined;
  /** Default: silent. */
  log?: Log | undefined;
  /** Default: real time. */
  clock?: Clock | undefined;
}

/** How to run rounds of a drone manager. */
export interface ManagerRoundOptions {
  /** Ends the round when aborted. What has not started by then stays queued. */
  signal?: AbortSignal | undefined;
}

export const MANAGER_ROUND = { signal: abortSignal() } satisfies Table<ManagerRoundOptions>;

/** The options of `pidfileContents`. */
export const PIDFILE_CONTENTS = {
  secondRead: flag().or(false),
} satisfies Table<{ secondRead?: boolean | undefined }>;

/** The queue's defaults for an agent that hears nothing more, and some seconds for it to end. */
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
  stats: statsOption(),
  log: logOption(),
  clock: clockOption(),
} satisfies Table<DroneManagerOptions>;

export type ManagerSettings = Settings<typeof DRONE_MANAGER>;
