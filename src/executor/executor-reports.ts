/** Events and metrics of an executor's jobs and updates. */
import { events, type JobEnd, publish } from './events.js';
import { Metrics } from '../report/metrics.js';
import type { ExecutorSettings } from './executor-options.js';
import { failureOf, type JobAnswer } from './job-answer.js';
import type { Job } from './job-source.js';
import type { RepoName } from './repo-name.js';

/**
 * Metrics of an executor, under `drone_task_queue.<host>`:
 *
 * - `job.<name>` (timing): one job: `execute`, `merge`, `cat` or another.
 * - `job_failures.<code>` (counter): jobs that threw, by error code; by the error's name if it has no code.
 * - `update` (timing): one update of a repository.
 * - `update_failures.<code>` (counter): updates that failed, by code or name as above.
 * - `merges` (counter): merge jobs that succeeded.
 * - `merges_refused` (counter): merge jobs whose change could not be merged.
 * - `jobs_running` (gauge): jobs that are running.
 * - `updates_waiting` (gauge): repository updates that are waiting for their turn.
 */
export class ExecutorReports {
  readonly #settings: ExecutorSettings;
  readonly #metrics: Metrics;
  #running = 0;

  constructor(settings: ExecutorSettings) {
    const { host, log, stats } = settings;
    this.#settings = settings;
    this.#metrics = new Metrics(host, stats, log);
  }

  /** Does a job. */
  async job(job: Job, work: () => Promise<JobAnswer>): Promise<JobAnswer> {
    const { id, name } = job;
    this.#setRunning(1);
    const [, word = ''] = name.split(':');
    const answer = await this.#timed(work, end => {
      if (end.failed) this.#metrics.increment('job_failures', codeOf(end.error));
      this.#metrics.timing('job', end.tookMs, word);
      this.#setRunning(-1);
      publish(events.jobEnd, () => ({ ...end, id, job: name }));
    });
    if (name === 'merger:merge') this.#metrics.increment(answer.ok ? 'merges' : 'merges_refused');
    return answer;
  }

  /** Brings a repository up to date. */
  async update({ connection, project }: RepoName, work: () => Promise<void>): Promise<void> {
    await this.#timed(work, end => {
      if (end.failed) this.#metrics.increment('update_failures', codeOf(end.error));
      this.#metrics.timing('update', end.tookMs);
      publish(events.updateEnd, () => ({ ...end, connection, project }));
    });
  }

  readonly updatesWaiting = (size: number): void => {
    this.#metrics.gauge('updates_waiting', size);
  };

  async close(): Promise<void> {
    await this.#metrics.close();
  }

  async #timed<T>(work: () => Promise<T>, report: (end: End) => void): Promise<T> {
    const { clock, host } = this.#settings;
    const startMs = clock.nowMs();
    let failure: { readonly error: unknown } | undefined;
    try {
      return await work();
    } catch (error) {
      failure = { error };
      throw error;
    } finally {
      report({ host, tookMs: clock.nowMs() - startMs, failed: failure !== undefined, ...failure });
    }
  }

  #setRunning(more: 1 | -1): void {
    this.#running += more;
    this.#metrics.gauge('jobs_running', this.#running);
  }
}

/** What the events have in common. */
type End = Pick<JobEnd, 'host' | 'tookMs' | 'failed' | 'error'>;

function codeOf(error: unknown): string {
  const { code, name } = failureOf(error);
  return code ?? name;
}
