/** What a drone manager can be told, and the defaults. */
import { type Clock, systemClock } from '../wait/clock.js';
import { checkSignal } from '../queue/drone/call.js';
import { checkDrone } from '../queue/drone/drone.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { type Log, partLog, safeLog } from '../report/log.js';
import { checkNames, OptionReader } from '../option/option-reader.js';
import { checkStatsTarget, type StatsTarget } from '../report/stats.js';
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
  doubtMs?: number | undefined;
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

/** The options with their defaults, checked. */
export interface ManagerSettings {
  readonly name: string;
  readonly resultsDrone: ManagedDrone | undefined;
  readonly maxPidfileAge: number;
  readonly doubtMs: number;
  readonly refreshTimeoutMs: number;
  readonly stats: StatsTarget | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

const OPTION_NAMES = [
  'name',
  'resultsDrone',
  'maxPidfileAge',
  'doubtMs',
  'refreshTimeoutMs',
  'stats',
  'log',
  'clock',
] satisfies (keyof DroneManagerOptions)[];

/** The queue's defaults for an agent that hears nothing more, and some seconds for it to end. */
const DEFAULT_DOUBT_MS = 125_000;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readManagerOptions(options: DroneManagerOptions): ManagerSettings {
  const read = new OptionReader(options, OPTION_NAMES);
  const { resultsDrone, stats, log, clock = systemClock } = options;
  if (resultsDrone !== undefined) checkDrone('resultsDrone', resultsDrone);
  checkStatsTarget(stats);
  if (typeof clock !== 'object' || typeof clock.nowMs !== 'function' || typeof clock.setTimer !== 'function') {
    throw invalidArgument('clock', clock, 'an object with the methods nowMs and setTimer');
  }
  const name = read.text('name') ?? 'drone_manager';
  return {
    name,
    resultsDrone,
    maxPidfileAge: read.limit('maxPidfileAge', 'a number of refreshes, 0 or more', value => value >= 0) ?? 2000,
    doubtMs: read.limit('doubtMs', 'a number of milliseconds, 0 or more', value => value >= 0) ?? DEFAULT_DOUBT_MS,
    refreshTimeoutMs: read.limit('refreshTimeoutMs', 'a number of milliseconds above 0', value => value > 0) ?? 60_000,
    stats,
    log: partLog(safeLog(log), name, { manager: name }),
    clock,
  };
}

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function readRoundSignal(options: ManagerRoundOptions): AbortSignal | undefined {
  checkNames(options, ['signal'] satisfies (keyof ManagerRoundOptions)[]);
  checkSignal(options.signal);
  return options.signal;
}
