/** What is told of an executor's jobs and updates: events and metrics. The log tells besides of what failed. */
import { events, publish } from './events.js';
import { Metrics } from '../report/metrics.js';
import type { ExecutorSettings } from './executor-options.js';
import { failureOf, type Job } from './job-source.js';
import type { MergeReply } from './merger-jobs.js';
import type { RepoName } from './repo-name.js';

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
  async job(job: Job, work: () => Promise<unknown>): Promise<unknown> {
    const { host } = this.#settings;
    this.#setRunning(1);
    const tell = (tookMs: number, failure: Failure | undefined): void => {
      this.#setRunning(-1);
      publish(events.jobEnd, () => ({
        host,
        id: job.id,
        job: job.name,
        tookMs,
        failed: failure !== undefined,
        ...failure,
      }));
    };
    const [, word = ''] = job.name.split(':');
    const value = await this.#timed('job', word, work, tell);
    if (job.name === 'merger:merge')
      this.#metrics.increment((value as MergeReply).merged ? 'merges' : 'merges_refused');
    return value;
  }

  /** Brings a repository up to date. */
  async update({ connection, project }: RepoName, work: () => Promise<void>): Promise<void> {
    const { host } = this.#settings;
    await this.#timed('update', undefined, work, (tookMs, failure) => {
      publish(events.updateEnd, () => ({
        host,
        connection,
        project,
        tookMs,
        failed: failure !== undefined,
        ...failure,
      }));
    });
  }

  readonly updatesWaiting = (size: number): void => {
    this.#metrics.gauge('updates_waiting', size);
  };

  async close(): Promise<void> {
    await this.#metrics.close();
  }

  async #timed<T>(
    what: string,
    name: string | undefined,
    work: () => Promise<T>,
    tell: (tookMs: number, failure: Failure | undefined) => void,
  ): Promise<T> {
    const { clock } = this.#settings;
    const startMs = clock.nowMs();
    let failure: Failure | undefined;
    try {
      return await work();
    } catch (error) {
      failure = { error };
      this.#metrics.increment(`${what}_failures`, kindOf(error));
      throw error;
    } finally {
      const tookMs = clock.nowMs() - startMs;
      this.#metrics.timing(what, tookMs, name);
      tell(tookMs, failure);
    }
  }

  #setRunning(more: 1 | -1): void {
    this.#running += more;
    this.#metrics.gauge('jobs_running', this.#running);
  }
}

interface Failure {
  readonly error: unknown;
}

/** `git_timeout` for ERR_GIT_TIMEOUT. */
function kindOf(error: unknown): string {
  const { code, name } = failureOf(error);
  return (code ?? name).replace(/^ERR_/, '').toLowerCase();
}
