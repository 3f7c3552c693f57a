/**
 * Takes jobs and does them, each kind in a loop of its own, so that none waits for another kind:
 *
 * - `execute`: up to `maxJobs` at once.
 * - `host`: at once, however many.
 * - `merger`: by `mergeWorkers`, while no update waits or runs (MergeGate).
 *
 * What always holds: every job that was taken is answered, once. After `close` nothing is taken, and when it resolves, no
 * loop, no update and no git of it runs, but for what could not be ended in a minute.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { onAbort, raceAbort } from '../wait/abort.js';
import { Line } from '../wait/line.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { partLog } from '../report/log.js';
import { checkNames, readOptions } from '../option/option-table.js';
import { inNoSection, outsideSections } from '../wait/section-guard.js';
import { PendingWork } from '../wait/pending-work.js';
import { executeJob } from './execute-job.js';
import { checkExecuteJob } from './execute-request.js';
import { ExecutorError } from './executor-error.js';
import { ExecutorReports } from './executor-reports.js';
import { type ExecutorSettings, REPO_EXECUTOR, type RepoExecutorOptions } from './executor-options.js';
import { checkJob, type DoJob, failureOf, type Job, type JobAnswer, type JobLane } from './job-source.js';
import { removeLeftWorkspaces } from './left-workspaces.js';
import { MergeGate } from './merge-gate.js';
import { mergerJobs } from './merger-jobs.js';
import { Merger } from './merger.js';
import type { RepoName } from './repo-name.js';
import { type Update, Updates } from './updates.js';

/** A source may give jobs of different lanes the same id. */
interface Running {
  readonly id: string;
  readonly stop: AbortController;
}

/** Takes a job; `running` of the lane are being done. */
type Take = (signal: AbortSignal, running: number) => Promise<Job>;

/** After a failure of the job source. */
const SOURCE_PAUSE_MS = 1000;
/** For the answers of jobs, and for what a job source or the functions in the options do not end by themselves. */
const LAST_WORDS_MS = 5000;
/** For all that `close` ends. */
const STOP_MS = 60_000;

/** Starts to take jobs when it is made, and goes on until `close`. */
export class RepoExecutor {
  readonly #settings: ExecutorSettings;
  readonly #reports: ExecutorReports;
  readonly #updates: Updates;
  readonly #doings: ReadonlyMap<string, DoJob>;
  readonly #loops: readonly Promise<void>[];
  readonly #running = new Set<Running>();
  readonly #pending = new PendingWork();
  readonly #stopping = new AbortController();
  /** Aborted by `pause`, and then replaced. */
  #taking = new AbortController();
  #resumed: PromiseWithResolve | undefined;
  #closed: Promise<void> | undefined;

  /** Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: RepoExecutorOptions) {
    const read = readOptions(REPO_EXECUTOR, options);
    const settings = { ...read, log: partLog(read.log, read.host, { host: read.host }) };
    this.#settings = settings;
    const { cache, host, updateWorkers, mergeWorkers, maxMergeWaitMs, clock } = settings;
    const reports = new ExecutorReports(settings);
    this.#reports = reports;
    const update: Update = async (name, signal) => reports.update(name, async () => cache.updateLocked(name, signal));
    this.#updates = new Updates(update, updateWorkers, reports.updatesWaiting, cache.repoLocks);
    this.#doings = new Map<string, DoJob>([
      ...mergerJobs(new Merger(cache), cache, this.#updates, host),
      ['executor:execute', async (args, signal) => executeJob(checkExecuteJob(args), settings, this.#updates, signal)],
      [`executor:stop:${host}`, async args => this.#stopJob(args)],
    ]);
    const gate = new MergeGate(this.#updates, maxMergeWaitMs, clock);
    const take =
      (lane: JobLane): Take =>
      async (signal, running) =>
        settings.jobs.take(lane, host, signal, running);
    const takeMerger: Take = async (signal, running) => gate.pass(async shut => take('merger')(shut, running), signal);
    this.#loops = inNoSection(() => [
      this.#loop(take('execute'), settings.maxJobs),
      this.#loop(take('host'), Infinity),
      this.#loop(takeMerger, mergeWorkers),
    ]);
    const { workspaces, log } = settings;
    // No job waits for that: none gets the name of one that is there.
    void inNoSection(async () => this.#pending.add(removeLeftWorkspaces(workspaces, log, this.#stopping.signal)));
  }

  /** Ids of the jobs that run. */
  get running(): readonly string[] {
    return [...this.#running].map(({ id }) => id);
  }

  get isPaused(): boolean {
    return this.#resumed !== undefined;
  }

  /** Brings a repository up to date, as for a job; settles as an update that begins after this call. */
  async update(name: RepoName): Promise<void> {
    return outsideSections('update of a RepoExecutor', async () => this.#updates.request(name, this.#stopping.signal));
  }

  /** Takes no jobs until `resume`. Those that run go on. */
  pause(): void {
    if (this.#resumed !== undefined || this.#stopping.signal.aborted) return;
    this.#resumed = promiseWithResolve();
    this.#taking.abort(new ExecutorError('ERR_EXECUTOR_STOPPED', 'the executor is paused'));
  }

  /** Takes jobs again. */
  resume(): void {
    if (this.#resumed === undefined || this.#stopping.signal.aborted) return;
    this.#taking = new AbortController();
    this.#resumed.resolve();
    this.#resumed = undefined;
  }

  /**
   * Takes no more jobs and stops those that run, which are answered with the failure `ERR_EXECUTOR_STOPPED`; ends all git
   * commands and updates, and resolves then. Who waits for an update is rejected. It always resolves: what the job source
   * or a function of the options does not end within 5 s is left behind, so is a git that is there 5 s after KILL, and after
   * 60 s whatever there is yet (a queue that does not close, a disk that hangs), with a line in the log. What was left
   * behind keeps the locks of its repositories. A second call gives the same promise.
   */
  async close(): Promise<void> {
    return outsideSections('close of a RepoExecutor', async () => (this.#closed ??= this.#close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const why = new ExecutorError('ERR_EXECUTOR_STOPPED', 'the executor was stopped');
    this.#stopping.abort(why);
    this.#taking.abort(why);
    this.#resumed?.resolve();
    for (const { stop } of this.#running) stop.abort(why);
    await this.#orTooLate(this.#over(why));
    await this.#reports.close();
  }

  async #over(why: Error): Promise<void> {
    // No loop begins a job any more once it has seen that; then all of them are in the snapshot.
    await Promise.all(this.#loops);
    // A job may wait for the lock that an update has.
    await Promise.all([this.#updates.stop(why), this.#pending.over()]);
  }

  async #orTooLate(over: Promise<void>): Promise<void> {
    const { clock, log } = this.#settings;
    const tooLate = promiseWithResolve();
    const timer = clock.setTimer(STOP_MS, () => {
      log.error('the executor was closed and left work behind', { jobs: this.running });
      tooLate.resolve();
    });
    try {
      await Promise.race([over, tooLate.promise]);
    } finally {
      timer.cancel();
    }
  }

  /** Never rejects; ends once `close` was called. */
  async #loop(take: Take, atOnce: number): Promise<void> {
    const stopping = this.#stopping.signal;
    const line = new Line(atOnce);
    for (;;) {
      const leave = await line.enter();
      while (this.#resumed !== undefined && !stopping.aborted) await this.#resumed.promise;
      if (stopping.aborted) return;
      const { signal } = this.#taking;
      const job = await this.#take(take(signal, line.inside - 1), signal);
      if (job === undefined) leave();
      else void this.#pending.add(this.#work(job)).finally(leave);
    }
  }

  /** Undefined when none was to be had. */
  async #take(taken: Promise<Job>, signal: AbortSignal): Promise<Job | undefined> {
    try {
      return checkJob(await raceAbort(signal, taken));
    } catch (error) {
      if (signal.aborted) {
        // It may have been taken at the same moment, or its source may not heed signals: then it is ours to answer.
        void taken.then(checkJob).then(
          async job => this.#pending.add(this.#work(job)),
          () => undefined,
        );
        return undefined;
      }
      this.#settings.log.error('failed to take a job', { error });
      await delay(SOURCE_PAUSE_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      return undefined;
    }
  }

  async #work(job: Job): Promise<void> {
    const stop = new AbortController();
    const running: Running = { id: job.id, stop };
    this.#running.add(running);
    let answer: JobAnswer;
    try {
      answer = { ok: true, value: await this.#reports.job(job, async () => this.#do(job, stop.signal)) };
    } catch (error) {
      this.#settings.log.warn('a job has failed', { id: job.id, name: job.name, error });
      answer = { ok: false, error: failureOf(error) };
    } finally {
      this.#running.delete(running);
    }
    await this.#answer(job, answer);
  }

  async #do(job: Job, signal: AbortSignal): Promise<unknown> {
    this.#stopping.signal.throwIfAborted();
    const doing = this.#doings.get(job.name);
    if (doing === undefined) throw new ExecutorError('ERR_NO_SUCH_JOB', `there is no job ${job.name}`);
    return doing(job.args, signal);
  }

  /** Never rejects, and does not hold up `close` for ever. */
  async #answer(job: Job, answer: JobAnswer): Promise<void> {
    const tooLate = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const stopListening = onAbort(this.#stopping.signal, () => {
      timer = setTimeout(() => tooLate.abort(new Error('it took too long')), LAST_WORDS_MS);
    });
    try {
      await raceAbort(tooLate.signal, job.answer(answer));
    } catch (error) {
      this.#settings.log.error('a job could not be answered', { id: job.id, name: job.name, error });
    } finally {
      clearTimeout(timer);
      stopListening();
    }
  }

  async #stopJob(args: unknown): Promise<{ stopped: boolean }> {
    checkNames(args, ['id']);
    const { id } = args as { id?: unknown };
    if (typeof id !== 'string') throw invalidArgument('id', id, 'the id of a job');
    const found = [...this.#running].filter(job => job.id === id);
    for (const { stop } of found) stop.abort(new ExecutorError('ERR_EXECUTOR_STOPPED', 'the job was stopped'));
    return { stopped: found.length > 0 };
  }
}

interface PromiseWithResolve {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function promiseWithResolve(): PromiseWithResolve {
  let resolve = (): void => undefined;
  const promise = new Promise<void>(onDone => {
    resolve = onDone;
  });
  return { promise, resolve };
}
