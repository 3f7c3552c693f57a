/** Executors with a cache and workspaces of their own, on repositories of a test. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DroneTaskQueue, LocalDrone } from 'drone-task-queue';
import {
  type ExecuteReport,
  type JobAnswer,
  MemoryJobSource,
  RepoExecutor,
  type RepoCacheOptions,
  type RepoExecutorOptions,
  type SubmitOptions,
} from 'drone-task-queue/executor';
import { Workshop } from './repositories.js';

export interface Bench extends AsyncDisposable {
  readonly workshop: Workshop;
  /** Which the executor has, unless it was given another one. */
  readonly jobs: MemoryJobSource;
  readonly executor: RepoExecutor;
  readonly workspaces: string;
}

export function bench(options: Partial<RepoExecutorOptions> = {}, cache: Partial<RepoCacheOptions> = {}): Bench {
  return benchIn(new Workshop(), options, cache);
}

export function benchIn(
  workshop: Workshop,
  options: Partial<RepoExecutorOptions> = {},
  cache: Partial<RepoCacheOptions> = {},
): Bench {
  const jobs = new MemoryJobSource();
  const workspaces = join(workshop.folder, 'workspaces');
  const executor = new RepoExecutor({
    cache: workshop.cache(cache),
    jobs,
    host: 'here',
    workspaces,
    droneFor: () => new LocalDrone(),
    queueFor: () => new DroneTaskQueue({ killGraceMs: 200 }),
    ...options,
  });
  const end = async (): Promise<void> => {
    await executor.close();
    jobs.close();
    workshop.remove();
  };
  return { workshop, jobs, executor, workspaces, [Symbol.asyncDispose]: end };
}

/** A source that takes jobs of all names and with all arguments. */
interface UntypedJobs {
  submit(name: string, args: unknown, options?: string | SubmitOptions): Promise<JobAnswer>;
}

export function untyped(jobs: UntypedJobs): UntypedJobs {
  return jobs;
}

export function valueOf<T>(answer: JobAnswer<T>): T {
  assert(answer.ok, answer.ok ? '' : `${answer.error.message} ${String(answer.error.stack)}`);
  return answer.value;
}

/** The report of a job of commands that failed. */
export function failedReportOf(answer: JobAnswer): ExecuteReport {
  assert(!answer.ok && answer.error.report !== undefined, 'a failure with a report');
  return answer.error.report;
}

/** The code of a failure; undefined for a value. */
export function codeOf(answer: JobAnswer): string | null | undefined {
  return answer.ok ? undefined : answer.error.code;
}

export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let left = 3000; !isSo(); left--) {
    assert(left > 0, `${what} did not come`);
    await delay(10);
  }
}
