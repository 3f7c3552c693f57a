/**
 * Takes jobs and runs them, each lane in a loop of its own so that lanes do not wait for each other: `execute` up to
 * `maxJobs` at once, `host` without limit, `merger` by `mergeWorkers` while no update waits or runs (MergeGate).
 *
 * Invariants: every job that was taken is answered once. After `close` nothing is taken; when it resolves, no loop, update
 * or git runs, except what could not be ended within a minute.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { onAbort, raceAbort } from '../wait/abort.js';
import { Deadline } from '../wait/deadline.js';
import { Semaphore } from '../wait/semaphore.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-table.js';
import { inNoSection, outsideSections } from '../wait/section-guard.js';
import { PendingWork } from '../wait/pending-work.js';
import { CacheClaim } from './cache-claim.js';
import { executeJob } from './execute-job.js';
import { checkExecuteJob } from './execute-request.js';
import { ExecutorError } from './executor-error.js';
import { ExecutorReports } from './executor-reports.js';
import { type ExecutorSettings, readExecutorOptions, type RepoExecutorOptions } from './executor-options.js';
import { failed, type JobAnswer, type JobFailure } from './job-answer.js';
import { checkJob, type DoJob, type Job, type JobLane } from './job-source.js';
import type { StopReply } from './jobs.js';
import { removeLeftWorkspaces } from './left-workspaces.js';
import { MergeGate } from './merge-gate.js';
import { mergerJobs } from './merger-jobs.js';
import { Merger } from './merger.js';
import { keyOfRepo, type RepoName } from './repo-name.js';
import { type Update, Updates } from './updates.js';

/** A source may give jobs of different lanes the same id. */
interface Running {
  readonly id: string;
  readonly stop: AbortController;
}

/** Takes a job; `running` is the number of jobs of the lane that run now. */
type Take = (signal: AbortSignal, running: number) => Promise<Job>;

/** Pause after a failure of the job source. */
const SOURCE_PAUSE_MS = 1000;
/** Time for a job's answer after `close`. */
const LAST_WORDS_MS = 5000;
/** Time for everything that `close` ends. */
const STOP_MS = 60_000;

/** Takes and runs jobs from its construction until `close`, once this process holds the lock on its cache. */
export class RepoExecutor {
  readonly #settings: ExecutorSettings;
  readonly #reports: ExecutorReports;
  readonly #updates: Updates;
  readonly #doings: ReadonlyMap<string, DoJob>;
  readonly #loops: readonly Promise<void>[];
  readonly #running = new Set<Running>();
  readonly #pending = new PendingWork();
  readonly #claim: CacheClaim;
  readonly #stopping = new AbortController();
  /** Aborted by `pause`, and then replaced. */
  #taking = new AbortController();
  /** While paused. Aborted by `resume` and `close`. */
  #paused: AbortController | undefined;
  #closed: Promise<void> | undefined;

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: RepoExecutorOptions) {
    const settings = readExecutorOptions(options);
    this.#settings = settings;
    const { cache, host, updateWorkers, mergeWorkers, maxMergeWaitMs, clock } = settings;
    const reports = new ExecutorReports(settings);
    this.#reports = reports;
    this.#claim = new CacheClaim(cache, settings.log);
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
    const has = (lane: 'execute' | 'merger'): boolean => settings.lanes.includes(lane);
    this.#loops = inNoSection(() => [
      this.#loop(take('host'), Infinity, false),
      ...(has('execute') ? [this.#loop(take('execute'), settings.maxJobs)] : []),
      ...(has('merger') ? [this.#loop(takeMerger, mergeWorkers)] : []),
    ]);
    const { workspaces, log } = settings;
    // Jobs do not wait for that: their workspaces get new names.
    void inNoSection(async () => this.#pending.add(removeLeftWorkspaces(workspaces, log, this.#stopping.signal)));
  }

  /** Ids of the running jobs. */
  get running(): readonly string[] {
    return [...this.#running].map(({ id }) => id);
  }

  /** Whether `pause` was called, and `resume` has not been called since. */
  get isPaused(): boolean {
    return this.#paused !== undefined;
  }

  /**
   * Resolves when the executor takes jobs. Rejects with an ExecutorError: `ERR_CACHE_IN_USE` while another process uses
   * the cache's directory, for which the executor then waits; `ERR_EXECUTOR_STOPPED` after `close`.
   */
  async ready(): Promise<void> {
    return outsideSections('ready of a RepoExecutor', async () => {
      this.#stopping.signal.throwIfAborted();
      await this.#claim.now();
    });
  }

  /** Brings a repository up to date, as for a job; settles with an update that begins after this call. */
  async update(name: RepoName): Promise<void> {
    return outsideSections('update of a RepoExecutor', async () => this.#updates.request(name, this.#stopping.signal));
  }

  /** Takes no jobs until `resume`, except those for its host, such as stops. Running jobs continue. */
  pause(): void {
    if (this.#paused !== undefined || this.#stopping.signal.aborted) return;
    this.#paused = new AbortController();
    this.#taking.abort(new ExecutorError('ERR_EXECUTOR_STOPPED', 'the executor is paused'));
  }

  /** Takes jobs again. */
  resume(): void {
    if (this.#paused === undefined || this.#stopping.signal.aborted) return;
    this.#taking = new AbortController();
    this.#paused.abort();
    this.#paused = undefined;
  }

  /**
   * Takes no more jobs, stops running ones (their answer is the failure `ERR_EXECUTOR_STOPPED`), rejects pending
   * updates, and resolves when all git commands and updates have ended and the cache is closed. It always resolves: it
   * abandons answers after 5 s, git commands 5 s after KILL, and everything else (a queue that does not close, a disk
   * that hangs) after 60 s, with a log line. Abandoned work keeps the locks of its repositories. A second call returns
   * the same promise.
   */
  async close(): Promise<void> {
    return outsideSections('close of a RepoExecutor', async () => (this.#closed ??= this.#close()));
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const why = new ExecutorError('ERR_EXECUTOR_STOPPED', 'the executor was stopped');
    this.#stopping.abort(why);
    this.#taking.abort(why);
    this.#paused?.abort();
    for (const { stop } of this.#running) stop.abort(why);
    const { clock, log } = this.#settings;
    const limit = new Deadline([], { limitMs: STOP_MS, clock });
    try {
      const isOver = await Promise.race([this.#over(why).then(() => true), limit.ended.then(() => false)]);
      if (!isOver) log.error('the executor was closed and left work behind', { jobs: this.running });
    } finally {
      limit.release();
    }
    await this.#reports.close();
  }

  async #over(why: Error): Promise<void> {
    // After the loops no job begins any more, so `pending` has all of them.
    await Promise.all(this.#loops);
    // Together, as a job may wait for the lock that an update has.
    await Promise.all([this.#updates.stop(why), this.#pending.over()]);
    await this.#settings.cache.close();
  }

  /** Never rejects; ends once `close` was called. */
  async #loop(take: Take, atOnce: number, pauses = true): Promise<void> {
    const stopping = this.#stopping.signal;
    const line = new Semaphore(atOnce);
    for (;;) {
      const leave = await line.enter();
      while (pauses && this.#paused !== undefined && !stopping.aborted) await new Deadline([this.#paused.signal]).ended;
      await this.#claim.wait(stopping);
      if (stopping.aborted) return;
      const { signal } = pauses ? this.#taking : this.#stopping;
      const job = await this.#take(take(signal, line.inside - 1), signal);
      if (job === undefined) leave();
      else void this.#pending.add(this.#work(job)).finally(leave);
    }
  }

  /** Undefined if no job could be taken. */
  async #take(taken: Promise<Job>, signal: AbortSignal): Promise<Job | undefined> {
    try {
      return checkJob(await raceAbort(signal, taken));
    } catch (error) {
      if (signal.aborted) {
        // The source may have handed it out at the same moment, or ignore signals: then it must be answered.
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
    const stopListening = onAbort(job.signal, reason => stop.abort(reason));
    let answer: JobAnswer;
    try {
      answer = await this.#reports.job(job, async () => this.#do(job, stop.signal));
      if (!answer.ok && answer.error.isTransient) this.#logFailure(job, answer.error, answer.error.message);
    } catch (error) {
      answer = failed(error);
      this.#logFailure(job, answer.error, error);
    } finally {
      stopListening();
      this.#running.delete(running);
    }
    await this.#answer(job, answer);
  }

  #logFailure({ id, name }: Job, { repository }: JobFailure, error: unknown): void {
    const at = repository === undefined ? {} : { repository: keyOfRepo(repository) };
    this.#settings.log.warn('a job has failed', { id, name, ...at, error });
  }

  async #do(job: Job, signal: AbortSignal): Promise<JobAnswer> {
    this.#stopping.signal.throwIfAborted();
    const doing = this.#doings.get(job.name);
    if (doing === undefined) throw new ExecutorError('ERR_NO_SUCH_JOB', `there is no job ${job.name}`);
    return doing(job.args, signal);
  }

  /** Never rejects, nor delays `close` for long. */
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

  async #stopJob(args: unknown): Promise<JobAnswer<StopReply>> {
    checkNames(args, ['id']);
    const { id } = args as { id?: unknown };
    if (typeof id !== 'string') throw invalidArgument('id', id, 'the id of a job');
    const stopRunning = (): boolean => {
      const found = [...this.#running].filter(job => job.id === id);
      for (const { stop } of found) stop.abort(new ExecutorError('ERR_EXECUTOR_STOPPED', 'the job was stopped'));
      return found.length > 0;
    };
    const wasRunning = stopRunning();
    const wasWaiting = (await this.#settings.jobs.withdraw?.(id)) ?? false;
    // Taken meanwhile.
    const isRunning = stopRunning();
    return { ok: true, value: { stopped: wasRunning || wasWaiting || isRunning } };
  }
}
