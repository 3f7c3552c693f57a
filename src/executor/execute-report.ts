import type { DroneErrorKind } from '../queue/drone/error-kinds.js';
import type { RunResult } from '../queue/wire/methods.js';
import type { RepoName } from './repo-name.js';

/** What a job of commands has done: the value of `executor:execute`, also in its failure (`JobFailure.report`). */
export interface ExecuteReport {
  readonly hostname: string;
  readonly projects: readonly ClonedProject[];
  /** The commands that have ended, in order. */
  readonly commands: readonly CommandReport[];
  /** Why the drone did not finish one; null when it finished all. */
  readonly failure: CommandFailure | null;
}

/** What was checked out. */
export interface ClonedProject extends RepoName {
  /** Null for the commit of a remote whose HEAD is detached: no branch is checked out. */
  readonly branch: string | null;
  readonly commit: string;
  /** Relative to the workspace. */
  readonly path: string;
  /** Refs of the job's `repoState` that the workspace lacks, as no repository has their commits any more. */
  readonly unpinned?: readonly string[];
}

/** A command and its result. */
export interface CommandReport {
  readonly command: string;
  readonly result: RunResult;
}

/** A command that has no result. */
export interface CommandFailure {
  /** Undefined while the workspace was being copied. */
  readonly command?: string;
  readonly kind: DroneErrorKind;
  readonly message: string;
  /** It was sent, and may have done anything. */
  readonly mayHaveRun: boolean;
}
