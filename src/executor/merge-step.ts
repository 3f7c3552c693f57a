import type { CachedRepo } from './cached-repo.js';

/**
 * - `merge`: a merge commit, or a fast-forward.
 * - `squash-merge`: one commit with everything that the base lacks, by default with the author of the change's first commit
 *   and the messages of its commits, at most 100.
 * - `cherry-pick`: the last commit of the change on top of the base; like `merge` if that is a merge commit.
 * - `rebase`: each commit that the base lacks, on top of the base.
 */
export type MergeMode = 'merge' | 'squash-merge' | 'cherry-pick' | 'rebase';

/** A person as recorded in a git commit. */
export interface CommitAuthor {
  readonly name: string;
  readonly email: string;
}

/** The author and message of a squash commit. */
export interface SquashText {
  readonly author?: CommitAuthor | undefined;
  readonly message?: string | undefined;
}

/** A change and the commit on which it is merged. */
export interface Step {
  readonly repo: CachedRepo;
  readonly base: string;
  readonly change: string;
  /** Message of a commit that is created. */
  readonly message: string;
  /** The item's author and message for a squash commit. */
  readonly squash?: SquashText | undefined;
  readonly signal: AbortSignal | undefined;
}
