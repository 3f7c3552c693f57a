import { summarize } from '../queue/drone/drone-error.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { Metrics } from '../report/metrics.js';
import type { DroneStates } from './drone-states.js';
import { events, publish } from './events.js';
import type { ManagerSettings } from './manager-options.js';
import type { PidfileId } from './pidfile.js';
import type { Pidfiles } from './pidfiles.js';

/**
 * What the parts of a drone manager share.
 *
 * Metrics of a manager, under `drone_task_queue.<manager>`:
 *
 * - `refresh` (timing): from `triggerRefresh` until `syncRefresh` has the answers.
 * - `active_processes` (gauge): processes of registered pidfiles on all drones.
 * - `max_processes` (gauge): sum of `maxProcesses` over usable drones; not sent if one is unlimited.
 * - `stale_drones` (gauge): drones that failed and take no new work.
 * - `not_started` (counter): commands that certainly did not start.
 */
export interface ManagerParts {
  readonly queue: TaskQueue;
  readonly settings: ManagerSettings;
  readonly metrics: Metrics;
  readonly states: DroneStates;
  readonly pidfiles: Pidfiles;
}

/** Logs, counts and publishes a command that has certainly not started. */
export function reportNotStarted({ settings, metrics }: ManagerParts, id: PidfileId, error?: Error): void {
  const { hostname, path: pidfile } = id;
  const why = error ? summarize(error) : 'the drone never got it';
  settings.log.warn(`command of ${pidfile} on ${hostname} was not started: ${why}`, { ...id, error });
  metrics.increment('not_started');
  publish(events.commandNotStarted, () => ({ manager: settings.name, hostname, pidfile, error }));
}
