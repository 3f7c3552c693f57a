import { availableParallelism, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { type Clock, clockOption } from '../wait/clock.js';
import type { Drone } from '../queue/drone/drone.js';
import { LocalDrone } from '../queue/drone/local-drone.js';
import { DroneTaskQueue } from '../queue/drone-task-queue.js';
import { checked, flag, func, having, integer, milliseconds, text } from '../option/option-kinds.js';
import { type Option, readOptions, type Settings, type Table } from '../option/option-table.js';
import { type Log, logOption, partLog } from '../report/log.js';
import { type StatsTarget, metricsOption } from '../report/metrics-target.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { ExecuteJob } from './execute-request.js';
import type { JobSource } from './job-source.js';
import { RepoCache } from './repo-cache.js';

/** Options of an executor. */
export interface RepoExecutorOptions {
  /** No other executor may use it. */
  cache: RepoCache;
  /** The source of jobs. */
  jobs: JobSource;
  /**
   * Returns the drone for a job's commands: a new object for each job, so that it holds no other calls. A LocalDrone
   * uses the workspace in place; for other drones it is copied (`putDirectory`). Default: a LocalDrone, this machine.
   */
  droneFor?: ((job: ExecuteJob) => Drone | Promise<Drone>) | undefined;
  /**
   * Returns a new queue for each job; the executor closes it when the job ends. Its `roundDeadlineMs` (default 900,000)
   * also limits each command, so set it above the job's `timeoutMs`. Default: a DroneTaskQueue whose `roundDeadlineMs`
   * is at least the job's `timeoutMs` plus a minute.
   */
  queueFor?: ((job: ExecuteJob) => TaskQueue) | undefined;
  /**
   * Whether git may fetch from this URL with this machine's rights: the URL of a job's project (`JobProject.url`), of a
   * submodule, or in an `.lfsconfig`. The executor's own copies are always allowed. Default: no other.
   */
  mayFetchFrom?: ((url: string) => boolean) | undefined;
  /**
   * Whether workspaces contain the submodules of their projects, including nested ones. A submodule with a URL that
   * `mayFetchFrom` does not allow fails the job (`ERR_URL_REFUSED`). Each job fetches them again. Default false.
   */
  submodules?: boolean | undefined;
  /**
   * Whether workspaces include the contents of Git LFS files, from the project's own server or from a URL in its
   * `.lfsconfig` that `mayFetchFrom` allows. Needs the program `git-lfs`. Each job fetches them again. Default false:
   * pointer files.
   */
  lfs?: boolean | undefined;
  /**
   * Directory of the workspaces of running jobs; created if missing. Workspaces that killed executors of this machine
   * left behind are removed at the start. Other executors may share it, and it may contain other files. Default:
   * `@workspaces` in the cache's directory.
   */
  workspaces?: string | undefined;
  /** The same directory on other drones, absolute or relative to the home directory. Default `drone-workspaces`. */
  droneFolder?: string | undefined;
  /** The executor's name in `executor:stop:<host>`. Default: this machine's hostname. */
  host?: string | undefined;
  /**
   * The jobs that the executor takes besides those for its host: `execute` runs commands, `merger` merges. Default
   * `['execute', 'merger']`.
   */
  lanes?: readonly ('execute' | 'merger')[] | undefined;
  /** How many `executor:execute` jobs run at once. Default 4. */
  maxJobs?: number | undefined;
  /**
   * How many updates start at once, not counting those that had to wait for a lock. Default: one for each processor.
   */
  updateWorkers?: number | undefined;
  /** How many merger jobs run at once. Default: one for each processor. */
  mergeWorkers?: number | undefined;
  /**
   * Merger jobs wait until no update waits or runs, but at most this long, ms; then one is taken anyway. Default
   * 60,000.
   */
  maxMergeWaitMs?: number | undefined;
  /** Default: the system's. */
  clock?: Clock | undefined;
  /** Where metrics go, under the executor's `host`. Default: nowhere. */
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
  droneFor: func<NonNullable<RepoExecutorOptions['droneFor']>>('(job)').orElse(
    'this machine',
    () => () => new LocalDrone(),
  ),
  queueFor: func<NonNullable<RepoExecutorOptions['queueFor']>>('(job)').orElse(
    'a DroneTaskQueue with enough time for the job',
    () => queueWithTime,
  ),
  mayFetchFrom: func<(url: string) => boolean>('(url)').orElse('no other URL', () => () => false),
  submodules: flag().or(false),
  lfs: flag().or(false),
  workspaces: text('a path').as(path => resolve(path)),
  droneFolder: text(
    'a path of letters, digits, dots, slashes, _ and -',
    path => DRONE_FOLDER.test(path) && !path.startsWith('-'),
  ).or('drone-workspaces'),
  host: text().orElse("this machine's hostname", hostname),
  lanes: checked<readonly ('execute' | 'merger')[]>(
    "a list of 'execute' and 'merger'",
    lanes => Array.isArray(lanes) && lanes.length > 0 && lanes.every(lane => lane === 'execute' || lane === 'merger'),
  ).orElse("['execute', 'merger']", () => ['execute', 'merger']),
  maxJobs: count().or(4),
  updateWorkers: processors(),
  mergeWorkers: processors(),
  maxMergeWaitMs: milliseconds({ from: 0, to: Infinity }).or(60_000),
  clock: clockOption(),
  stats: metricsOption(),
  log: logOption(),
} satisfies Table<RepoExecutorOptions>;

export interface ExecutorSettings extends Settings<typeof REPO_EXECUTOR> {
  readonly workspaces: string;
}

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
export function readExecutorOptions(options: RepoExecutorOptions): ExecutorSettings {
  const read = readOptions(REPO_EXECUTOR, options);
  const log = partLog(read.log, read.host, { host: read.host });
  // Cannot be a repository: their names are encoded.
  return { ...read, log, workspaces: read.workspaces ?? join(read.cache.folder, '@workspaces') };
}

/** The default of a queue, and what it gives a command beside its `timeoutMs`: to be sent, and to be ended. */
const ROUND_DEADLINE_MS = 900_000;
const ROUND_EXTRA_MS = 60_000;

function queueWithTime({ timeoutMs = 0 }: ExecuteJob): TaskQueue {
  return new DroneTaskQueue({ roundDeadlineMs: Math.max(ROUND_DEADLINE_MS, timeoutMs + ROUND_EXTRA_MS) });
}
