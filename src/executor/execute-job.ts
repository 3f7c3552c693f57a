/** A job of commands: its projects are brought up to date and cloned, and the commands run there on a drone. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { raceAbort } from '../wait/abort.js';
import type { Drone } from '../queue/drone/drone.js';
import { LocalDrone } from '../queue/drone/local-drone.js';
import type { DroneErrorKind } from '../queue/drone/error-kinds.js';
import type { Log } from '../report/log.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { MethodArgs, MethodName, MethodResult, RunResult, UtilityMethods } from '../queue/wire/methods.js';
import { ExecutorError } from './executor-error.js';
import type { ExecuteJob } from './execute-request.js';
import type { ExecutorSettings } from './executor-options.js';
import { makeWorkspace } from './left-workspaces.js';
import { refsIn } from './merge-item.js';
import type { RepoCache } from './repo-cache.js';
import { keyOfRepo, stripCredentials } from './repo-name.js';
import type { Updates } from './updates.js';
import { type ClonedProject, cloneWorkspace, type JobProject } from './workspace.js';

/** What `executor:execute` answers with. */
export interface ExecuteReport {
  /** All commands have exited with 0. */
  readonly succeeded: boolean;
  readonly hostname: string;
  readonly projects: readonly ClonedProject[];
  /** Of those that have ended, in order. */
  readonly commands: readonly CommandReport[];
  /** Why the drone did not finish one; null when it did. */
  readonly failure: CommandFailure | null;
}

/** A command and what it gave. */
export interface CommandReport {
  readonly command: string;
  readonly result: RunResult;
}

/** A command that has no result. */
export interface CommandFailure {
  /** Undefined while the workspace was being copied. */
  readonly command?: string;
  readonly kind: DroneErrorKind;
  readonly message: string;
  /** It was sent, and may have done anything. */
  readonly mayHaveRun: boolean;
}

/** For the removal of a workspace on a drone. */
const REMOVAL_MS = 15_000;

/** Rejects with what kept it from running commands at all, and with the reason of `signal` when all of it has ended. */
export async function executeJob(
  job: ExecuteJob,
  settings: ExecutorSettings,
  updates: Updates,
  signal: AbortSignal,
): Promise<ExecuteReport> {
  const { cache, workspaces, log } = settings;
  for (const project of job.projects) checkSource(project, settings);
  await updates.requestAll(await projectsToUpdate(job, cache, signal), signal);
  const folder = await makeWorkspace(workspaces);
  try {
    const cloned = await cloneWorkspace(cache, folder, job.projects, job.repoState ?? undefined, signal);
    const drone = await raceAbort(signal, Promise.resolve(settings.droneFor(job)));
    await using queue = settings.queueFor(job);
    const run = new DroneRun(drone, queue, job, signal);
    try {
      const isHere = drone instanceof LocalDrone;
      const place = isHere ? folder : `${settings.droneFolder}/${randomUUID()}`;
      if (!isHere) await run.one(undefined, 'putDirectory', folder, place);
      const isThere = !isHere && (run.failure === null || run.failure.mayHaveRun);
      await run.commands(place);
      // Also of a job that has failed or was ended; and what comes of it changes nothing for the job.
      if (isThere) await removeThere(drone, queue, place, log);
    } finally {
      // Nothing of it is to hold up the end: what is in flight was ended by the signal.
      await queue.close({ graceMs: 0 });
    }
    signal.throwIfAborted();
    const { failure, reports } = run;
    const isGood = failure === null && reports.length === job.commands.length && exitedWell(reports.at(-1));
    return { succeeded: isGood, hostname: drone.hostname, projects: cloned, commands: reports, failure };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) => {
      log.warn('a workspace could not be removed', { folder, error });
    });
  }
}

/** Throws ExecutorError (`ERR_URL_REFUSED`). */
function checkSource(project: JobProject, { cache, mayFetchFrom }: ExecutorSettings): void {
  const { url } = project;
  if (url === undefined || url === cache.urlHere(project) || mayFetchFrom(url)) return;
  const what = `${keyOfRepo(project)} is not to be fetched from ${stripCredentials(url)} (see mayFetchFrom)`;
  throw new ExecutorError('ERR_URL_REFUSED', what);
}

async function removeThere(drone: Drone, queue: TaskQueue, place: string, log: Log): Promise<void> {
  try {
    const call = drone.with({ timeoutMs: REMOVAL_MS }).queueCall('run', `rm -rf -- ${place}`);
    const { exitCode, stderr } = call.valueIn(await queue.execute([drone]));
    if (exitCode !== 0) throw new Error(stderr);
  } catch (error) {
    log.warn('a workspace on a drone could not be removed', { hostname: drone.hostname, place, error });
  }
}

/** Not those of which the job's state is here already: it sees them as they were. */
async function projectsToUpdate(job: ExecuteJob, cache: RepoCache, signal: AbortSignal): Promise<JobProject[]> {
  const stale: JobProject[] = [];
  for (const project of job.projects) {
    const saved = refsIn(job.repoState ?? undefined, project) ?? {};
    const isHere = Object.keys(saved).length > 0 && (await cache.hasAll(project, saved, signal));
    if (!isHere) stale.push(project);
  }
  return stale;
}

/** Calls on one drone, a round for each, until one fails. */
class DroneRun {
  readonly #drone: Drone;
  readonly #queue: TaskQueue;
  readonly #job: ExecuteJob;
  readonly #signal: AbortSignal;
  readonly reports: CommandReport[] = [];
  failure: CommandFailure | null = null;

  constructor(drone: Drone, queue: TaskQueue, job: ExecuteJob, signal: AbortSignal) {
    this.#drone = drone;
    this.#queue = queue;
    this.#job = job;
    this.#signal = signal;
  }

  async commands(cwd: string): Promise<void> {
    const { commands, env } = this.#job;
    for (const command of commands) {
      const result = await this.one(command, 'run', command, { cwd, env });
      if (result === undefined) return;
      this.reports.push({ command, result });
      if (result.exitCode !== 0) return;
    }
  }

  /** Its value; undefined once something has failed. */
  async one<K extends MethodName<UtilityMethods>>(
    command: string | undefined,
    method: K,
    ...args: MethodArgs<UtilityMethods, K>
  ): Promise<MethodResult<UtilityMethods, K> | undefined> {
    if (this.failure !== null) return undefined;
    const { timeoutMs } = command === undefined ? {} : this.#job;
    const call = this.#drone.with({ timeoutMs, signal: this.#signal }).queueCall(method, ...args);
    const { results, failures } = await this.#queue.settle([this.#drone], { signal: this.#signal });
    const error = failures.get(this.#drone);
    if (error === undefined) return call.valueIn(results);
    this.#drone.clearCallQueue();
    const { kind, message } = error;
    const mayHaveRun = error.call === call || error.mayHaveRun.length > 0;
    this.failure = { ...(command === undefined ? {} : { command }), kind, message, mayHaveRun };
    return undefined;
  }
}

function exitedWell(last: CommandReport | undefined): boolean {
  return last === undefined || last.result.exitCode === 0;
}
