import { publisher, subscriber } from '../report/channel.js';

/** An executor has finished a job, successfully or not, and is about to answer it. */
export interface JobEnd {
  /** The executor's `host`. */
  readonly host: string;
  readonly id: string;
  /** Name of the job: `executor:execute`, `merger:merge`, … */
  readonly job: string;
  readonly tookMs: number;
  /** Also false for commands that exit with a status other than 0, and for a refused merge. */
  readonly failed: boolean;
  /** May be any value, not only an Error. */
  readonly error?: unknown;
}

/** An executor has updated a repository, or failed to. */
export interface UpdateEnd {
  readonly host: string;
  readonly connection: string;
  readonly project: string;
  readonly tookMs: number;
  readonly failed: boolean;
  /** Usually a GitError. */
  readonly error?: unknown;
}

/** The message of each event of an executor, by channel. */
export interface ExecutorMessages {
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

/** Subscribes to one of `events` with the type of its message. Returns a function that unsubscribes. */
export const subscribe = subscriber<ExecutorMessages>();
