/**
 * `drone-task-queue/scheduler`: the loop around the task queue.
 *
 *     TickLoop ─► your tick ─► Drone.queueCall ─► execute
 */
export { TickLoop, TickLoopError } from './tick-loop.js';
export type { Tick, TickContext, TickLoopOptions } from './tick-options.js';
export { events } from '../events.js';
export type { TickEnd, TickStart } from '../events.js';
export type { Clock, Timer } from '../clock.js';
export type { Log } from '../log.js';
export type { StatsClient, StatsServer, StatsTarget } from '../stats.js';
