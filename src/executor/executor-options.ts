/** What an executor works with, and its defaults. */
import { availableParallelism, hostname } from 'node:os';
import { resolve } from 'node:path';
import { type Clock, systemClock } from '../wait/clock.js';
import type { Drone } from '../queue/drone/drone.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { type Log, partLog, safeLog } from '../report/log.js';
import { OptionReader } from '../option/option-reader.js';
import { checkStatsTarget, type StatsTarget } from '../report/stats.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { ExecuteJob } from './execute-request.js';
import type { JobSource } from './job-source.js';
import { RepoCache } from './repo-cache.js';

/** What an executor works with. */
export interface RepoExecutorOptions {
  /** It is not to be used by another executor. */
  cache: RepoCache;
  /** Where jobs come from. */
  jobs: JobSource;
  /**
   * The drone that a job's commands run on: a new object for each job, as its calls are to meet nobody else's. A LocalDrone
   * finds the workspace where it is; to another one it is copied (`putDirectory`).
   */
  droneFor: (job: ExecuteJob) => Drone | Promise<Drone>;
  /**
   * The queue that runs a job's commands: one for each job, closed at its end. Its `roundDeadlineMs` (default 900,000) ends a
   * command whatever the job's `timeoutMs` is: give it one that is longer.
   */
  queueFor: (job: ExecuteJob) => TaskQueue;
  /**
   * Whether a job's project may be fetched from this URL (`JobProject.url`), with what this machine may read. Always allowed
   * is where the executor's own copies are served. Default: no other.
   */
  mayFetchFrom?: ((url: string) => boolean) | undefined;
  /**
   * Holds the workspaces of the jobs that run; made when missing. Those of executors of this machine that were killed are
   * removed at the start; other executors, and other files, may be there as well.
   */
  workspaces: string;
  /** The same on other drones, relative to the home there or absolute. Default `drone-workspaces`. */
  droneFolder?: string | undefined;
  /** Its name in `executor:stop:<host>`. Default: this machine's hostname. */
  host?: string | undefined;
  /** How many `executor:execute` run at once. Default 4. */
  maxJobs?: number | undefined;
  /**
   * How many repositories are updated at once. Those that had to wait for their locks begin when they have them, also when so
   * many are at work. Default: one for each processor.
   */
  updateWorkers?: number | undefined;
  /** How many jobs of the merger run at once. Default: one for each processor. */
  mergeWorkers?: number | undefined;
  /**
   * Jobs of the merger are taken while no update waits or runs, or when that has not been so for this time, ms; one is then
   * taken whatever runs. Default 60,000.
   */
  maxMergeWaitMs?: number | undefined;
  /** Default: the system's. */
  clock?: Clock | undefined;
  /** Where metrics go, under its `host`. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Default: silent. */
  log?: Log | undefined;
}

/** The options with their defaults, checked. */
export type ExecutorSettings = Required<{
  readonly [K in Exclude<keyof RepoExecutorOptions, 'stats'>]: NonNullable<RepoExecutorOptions[K]>;
}> & { readonly stats: StatsTarget | undefined };

const NAMES = [
  'cache',
  'jobs',
  'droneFor',
  'queueFor',
  'mayFetchFrom',
  'workspaces',
  'droneFolder',
  'host',
  'maxJobs',
  'updateWorkers',
  'mergeWorkers',
  'maxMergeWaitMs',
  'clock',
  'stats',
  'log',
] satisfies (keyof RepoExecutorOptions)[];

const DRONE_FOLDER = /^[\w./-]+$/;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readExecutorOptions(options: RepoExecutorOptions): ExecutorSettings {
  const read = new OptionReader(options, NAMES);
  const { cache, jobs, droneFor, queueFor, mayFetchFrom = () => false, clock = systemClock, stats, log } = options;
  checkStatsTarget(stats);
  if (!(cache instanceof RepoCache)) throw invalidArgument('cache', cache, 'a RepoCache');
  if (typeof jobs?.take !== 'function') throw invalidArgument('jobs', jobs, 'an object with the method take');
  for (const [name, value] of Object.entries({ droneFor, queueFor, mayFetchFrom })) {
    if (typeof value !== 'function') throw invalidArgument(name, value, 'a function');
  }
  const count = (field: string): number | undefined =>
    read.limit(field, 'an integer of 1 or more', value => Number.isInteger(value) && value >= 1);
  const workspaces = read.text('workspaces');
  if (workspaces === undefined) throw invalidArgument('workspaces', workspaces, 'a path');
  const droneFolder = read.text('droneFolder') ?? 'drone-workspaces';
  if (!DRONE_FOLDER.test(droneFolder) || droneFolder.startsWith('-')) {
    throw invalidArgument('droneFolder', droneFolder, 'a path of letters, digits, points, slashes, _ and -');
  }
  const processors = availableParallelism();
  const host = read.text('host') ?? hostname();
  return {
    cache,
    jobs,
    droneFor,
    queueFor,
    mayFetchFrom,
    workspaces: resolve(workspaces),
    droneFolder,
    host,
    maxJobs: count('maxJobs') ?? 4,
    updateWorkers: count('updateWorkers') ?? processors,
    mergeWorkers: count('mergeWorkers') ?? processors,
    maxMergeWaitMs: read.limit('maxMergeWaitMs', 'a number of 0 or more', value => value >= 0) ?? 60_000,
    clock,
    stats,
    log: partLog(safeLog(log), host, { host }),
  };
}
