/**
 * `drone-task-queue/scheduler`: the loop around the task queue, and what stands between it and the drones.
 *
 *     TickLoop ─► your tick ─► Drone.queueCall ─► execute
 *                          └─► DroneManager ─► refreshes, actions ─► rounds of the queue
 */
export { TickLoop, TickLoopError } from './tick-loop.js';
export type { Tick, TickContext, TickLoopOptions } from './tick-options.js';
export { DroneManager } from './drone-manager.js';
export { DroneManagerError, type DroneManagerErrorCode } from './drone-manager-error.js';
export type { DroneManagerOptions, ManagerRoundOptions } from './manager-options.js';
export type { PidfileOptions } from './pidfile-options.js';
export type { ManagedDrone } from './managed-drone.js';
export type { StaleDrone } from './drone-states.js';
export type { DroneChoice } from './capacity.js';
export type { RefreshReport } from './refreshes.js';
export type { PidfileId, PidfileState, PidfileWriter } from './pidfile.js';
export type { PidfileContents } from './pidfile-contents.js';
export type { OrphanedProcess } from './pidfiles.js';
export type { DroneProcess } from './snapshot.js';
export type { ManagedCommandOptions } from './command-options.js';
export { WORKING_DIRECTORY, type ExecutionReport } from './executions.js';
export type { ActionFailure, ActionReport } from './actions.js';
export type { FailedCopy, PendingCopy } from './copy.js';
export { events, subscribe, type SchedulerMessages } from './events.js';
export type { CommandNotStarted, DroneFresh, DroneInitialized, DroneStale, TickEnd, TickStart } from './events.js';
export type { Clock, Timer } from '../wait/clock.js';
export type { Log } from '../report/log.js';
export type { StatsClient, StatsServer, StatsTarget } from '../report/metrics-target.js';
