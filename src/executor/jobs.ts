import type { ExecuteReport } from './execute-report.js';
import type { ExecuteJob } from './execute-request.js';
import type { CatJob, CatReply, MergeJob, MergeReply, ReleaseJob } from './merger-jobs.js';

/** Arguments of `executor:stop:<host>`. */
export interface StopJob {
  /** The id of the jobs to stop, as given to `submit`. */
  readonly id: string;
}

/** The answer to `executor:stop:<host>`. */
export interface StopReply {
  /** Whether a job with that id was running there, or was waiting for an executor and was removed. */
  readonly stopped: boolean;
}

/** The jobs of an executor by name: their arguments, and the value of their answer. */
export interface Jobs {
  /** Updates projects, clones them, and runs commands there on a drone. */
  'executor:execute': { args: ExecuteJob; value: ExecuteReport };
  /** Merges changes, each on top of the previous ones for its branch. */
  'merger:merge': { args: MergeJob; value: MergeReply };
  /** Updates a project and reads files of a branch. */
  'merger:cat': { args: CatJob; value: CatReply };
  /** Stops jobs of one executor, and removes jobs that wait for any executor. */
  [stop: `executor:stop:${string}`]: { args: StopJob; value: StopReply };
  /** Removes the refs that a merge of one executor created. */
  [release: `executor:release:${string}`]: { args: ReleaseJob; value: null };
}

/** The name of a job. */
export type JobName = keyof Jobs;
