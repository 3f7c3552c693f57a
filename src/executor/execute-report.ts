import type { DroneErrorKind } from '../queue/drone/error-kinds.js';
import type { RunResult } from '../queue/wire/methods.js';
import type { RepoName } from './repo-name.js';

/** What a command job has done: the value of `executor:execute`, also included in its failure (`JobFailure.report`). */
export interface ExecuteReport {
  readonly hostname: string;
  readonly projects: readonly ClonedProject[];
  /** The commands that have ended, in order. */
  readonly commands: readonly CommandReport[];
  /** Why the drone did not finish a command; null if it finished all. */
  readonly failure: CommandFailure | null;
}

/** What was checked out. */
export interface ClonedProject extends RepoName {
  /** Null if the remote's HEAD is detached: then its commit is checked out, but no branch. */
  readonly branch: string | null;
  readonly commit: string;
  /** Relative to the workspace. */
  readonly path: string;
  /** Refs of the job's `repoState` that the workspace lacks, because no repository has their commits any longer. */
  readonly unpinned?: readonly string[];
}

/** A command and its result. */
export interface CommandReport {
  readonly command: string;
  readonly result: RunResult;
}

/** A command that has no result. */
export interface CommandFailure {
  /** Undefined if the failure happened while the workspace was being copied. */
  readonly command?: string;
  readonly kind: DroneErrorKind;
  readonly message: string;
  /** Whether the command was sent and may have run, in part or in full. */
  readonly mayHaveRun: boolean;
}
