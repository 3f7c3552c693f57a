/** Runs a command job: updates and clones its projects, then runs the commands there on a drone. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { raceAbort } from '../wait/abort.js';
import type { Drone } from '../queue/drone/drone.js';
import { LocalDrone } from '../queue/drone/local-drone.js';
import type { Log } from '../report/log.js';
import { exitText } from '../process/exit-text.js';
import { oneLine } from '../report/untrusted-text.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { MethodArgs, MethodName, MethodResult, UtilityMethods } from '../queue/wire/methods.js';
import type { CommandFailure, CommandReport, ExecuteReport } from './execute-report.js';
import { ExecutorError } from './executor-error.js';
import type { ExecuteJob } from './execute-request.js';
import type { ExecutorSettings } from './executor-options.js';
import { failed, type JobAnswer } from './job-answer.js';
import { makeWorkspace } from './left-workspaces.js';
import { refsIn } from './merge-item.js';
import type { RepoCache } from './repo-cache.js';
import { keyOfRepo, stripCredentials } from './repo-name.js';
import type { Updates } from './updates.js';
import { cloneWorkspace, type JobProject } from './workspace.js';

/** For the removal of a workspace on a drone. */
const REMOVAL_MS = 15_000;

/** Rejects when no command could run, and with the reason of `signal` once everything has ended. */
export async function executeJob(
  job: ExecuteJob,
  settings: ExecutorSettings,
  updates: Updates,
  signal: AbortSignal,
): Promise<JobAnswer<ExecuteReport>> {
  const { cache, workspaces, submodules, lfs, mayFetchFrom, log } = settings;
  for (const project of job.projects) checkSource(project, settings);
  await updates.requestAll(await projectsToUpdate(job, cache, signal), signal);
  const folder = await makeWorkspace(workspaces);
  try {
    const { projects, repoState } = job;
    const parts = { cache, submodules, lfs, mayFetchFrom, projects, repoState: repoState ?? undefined };
    const cloned = await cloneWorkspace(folder, parts, signal);
    const drone = await raceAbort(signal, Promise.resolve(settings.droneFor(job)));
    await using queue = settings.queueFor(job);
    const run = new DroneRun(drone, queue, job, signal);
    try {
      const isHere = drone instanceof LocalDrone;
      const place = isHere ? folder : `${settings.droneFolder}/${randomUUID()}`;
      if (!isHere) await run.one(undefined, 'putDirectory', folder, place);
      const isThere = !isHere && (run.failure === null || run.failure.mayHaveRun);
      await run.commands(place);
      // Also for a job that has failed or was stopped; the outcome changes nothing for the job.
      if (isThere) await removeThere(drone, queue, place, log);
    } finally {
      // Without grace: the signal has ended what was in flight.
      await queue.close({ graceMs: 0 });
    }
    signal.throwIfAborted();
    const { failure, reports } = run;
    return verdictOn({ hostname: drone.hostname, projects: cloned, commands: reports, failure });
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) => {
      log.warn('a workspace could not be removed', { folder, error });
    });
  }
}

/** The last command in the report is the only one that may have failed. */
function verdictOn(report: ExecuteReport): JobAnswer<ExecuteReport> {
  const { hostname, failure } = report;
  if (failure !== null) {
    const { command = 'the copy of the workspace', kind, message, mayHaveRun } = failure;
    const text = `${oneLine(command)} did not end on ${hostname} (${kind}): ${message}`;
    // Of a method that failed, or a command that took too long, the commands may be the cause.
    const isTransient = kind !== 'call' && !(kind === 'timeout' && mayHaveRun);
    return failed(new ExecutorError('ERR_DRONE_FAILED', text), { isTransient, report });
  }
  const last = report.commands.at(-1);
  if (last === undefined || last.result.exitCode === 0) return { ok: true, value: report };
  const text = exitText(last.command, last.result, ` on ${hostname}`);
  return failed(new ExecutorError('ERR_COMMAND_FAILED', text), { report });
}

/** Throws an ExecutorError (`ERR_URL_REFUSED`). */
function checkSource(project: JobProject, { cache, mayFetchFrom }: ExecutorSettings): void {
  const { url } = project;
  if (url === undefined || url === cache.urlHere(project) || mayFetchFrom(url)) return;
  const what = `${keyOfRepo(project)} must not be fetched from ${stripCredentials(url)} (see mayFetchFrom)`;
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

/** Leaves out projects whose commits in the job's state are here already. */
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

  /** Undefined once something has failed. */
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
    const { kind, cause } = error;
    // Without the kind and the call, which stand beside it.
    const message = cause instanceof Error ? cause.message : error.message;
    const mayHaveRun = error.call === call || error.mayHaveRun.length > 0;
    this.failure = { ...(command === undefined ? {} : { command }), kind, message, mayHaveRun };
    return undefined;
  }
}
