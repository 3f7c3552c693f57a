/** The events of executors. */
import { publisher } from '../report/channel.js';

/** An executor has done a job, well or not, and is about to answer it. */
export interface JobEnd {
  /** Of the executor. */
  readonly host: string;
  readonly id: string;
  /** Name of the job: `executor:execute`, `merger:merge`, … */
  readonly job: string;
  readonly tookMs: number;
  /** Whether it was not done; commands that exit with something else than 0 were, as was a merge that was refused. */
  readonly failed: boolean;
  /** What it failed with, an Error or not. */
  readonly error?: unknown;
}

/** An executor has brought a repository up to date, or has not. */
export interface UpdateEnd {
  readonly host: string;
  readonly connection: string;
  readonly project: string;
  readonly tookMs: number;
  readonly failed: boolean;
  /** As a rule a GitError. */
  readonly error?: unknown;
}

interface ExecutorMessages {
  'drone-task-queue:job.end': JobEnd;
  'drone-task-queue:update.end': UpdateEnd;
}

/** Names of the channels that the events of executors are published on; see `events` of the core. */
export const events = {
  /** Carries a `JobEnd`. */
  jobEnd: 'drone-task-queue:job.end',
  /** Carries an `UpdateEnd`. */
  updateEnd: 'drone-task-queue:update.end',
} as const satisfies Record<string, keyof ExecutorMessages>;

export const publish = publisher<ExecutorMessages>(Object.values(events));
