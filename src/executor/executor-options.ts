/** What an executor works with, and its defaults. */
import { availableParallelism, hostname } from 'node:os';
import { resolve } from 'node:path';
import { type Clock, clockOption } from '../wait/clock.js';
import type { Drone } from '../queue/drone/drone.js';
import { checked, func, having, integer, milliseconds, text } from '../option/option-kinds.js';
import type { Option, Settings, Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { type StatsTarget, statsOption } from '../report/stats.js';
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

const DRONE_FOLDER = /^[\w./-]+$/;
const count = (): Option<number> => integer({ from: 1 });
const processors = (): Option<number, number> => count().orElse('one for each processor', availableParallelism);

export const REPO_EXECUTOR = {
  cache: checked<RepoCache>('a RepoCache', cache => cache instanceof RepoCache).required,
  jobs: having<JobSource>('take').required,
  droneFor: func<RepoExecutorOptions['droneFor']>('(job)').required,
  queueFor: func<RepoExecutorOptions['queueFor']>('(job)').required,
  mayFetchFrom: func<(url: string) => boolean>('(url)').orElse('no other URL', () => () => false),
  workspaces: text('a path').required.as(path => resolve(path)),
  droneFolder: text(
    'a path of letters, digits, points, slashes, _ and -',
    path => DRONE_FOLDER.test(path) && !path.startsWith('-'),
  ).or('drone-workspaces'),
  host: text().orElse("this machine's hostname", hostname),
  maxJobs: count().or(4),
  updateWorkers: processors(),
  mergeWorkers: processors(),
  maxMergeWaitMs: milliseconds({ from: 0, to: Infinity }).or(60_000),
  clock: clockOption(),
  stats: statsOption(),
  log: logOption(),
} satisfies Table<RepoExecutorOptions>;

export type ExecutorSettings = Settings<typeof REPO_EXECUTOR>;
