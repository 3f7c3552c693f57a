/** What is to be merged, and what comes of it. All of it can travel as JSON. */
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-table.js';
import type { RefCommits } from './cached-repo.js';
import type { ExecutorErrorCode } from './executor-error.js';
import type { GitErrorCode } from './git-error.js';
import { checkMode, type MergeMode } from './merge-modes.js';
import type { FileTexts } from './read-files.js';
import type { RepoState } from './repo-cache.js';
import { checkBranch, checkRef, checkRepoName, isCommit, type RepoName } from './repo-name.js';

/** A change and where it goes. */
export interface MergeItem extends RepoName {
  /** The branch that it is for. */
  readonly branch: string;
  /** Where the change is in the repository: a ref's whole name, such as `refs/pull/1/head`, or a commit's. */
  readonly ref: string;
  /** Default `merge`. */
  readonly mode?: MergeMode | undefined;
}

/** A branch as it is with all changes for it. */
export interface MergedBranch extends RepoName {
  readonly branch: string;
  readonly commit: string;
  /** Under which it can be fetched from `url`, until it is released. */
  readonly ref: string;
  readonly url: string;
}

/** All items were merged. */
export interface Merged {
  readonly merged: true;
  /** What the last item came to. */
  readonly commit: string;
  /** What each item came to. */
  readonly commits: readonly string[];
  readonly branches: readonly MergedBranch[];
  /** Of each item, the files that were asked for, as they are with it; null when none were. */
  readonly files: readonly FileTexts[] | null;
  /** Of the repositories as they were before; given back, the same merges have the same bases. */
  readonly repoState: RepoState;
}

/** One was not, so none counts. */
export interface NotMerged {
  readonly merged: false;
  readonly commit: null;
  readonly files: null;
  readonly repoState: null;
  /** Index of the item. */
  readonly item: number;
  /** Why, in git's words. */
  readonly reason: string;
  readonly code: GitErrorCode | ExecutorErrorCode;
  /**
   * It says nothing of the change: a server, the network, a time limit or this machine's disk kept git from it, and later, or
   * on another machine, it may merge.
   */
  readonly isTransient: boolean;
}

/** What came of a merge. */
export type MergeAnswer = Merged | NotMerged;

export type CheckedItem = Required<{ readonly [K in keyof MergeItem]: NonNullable<MergeItem[K]> }>;

const ITEM_FIELDS = ['connection', 'project', 'branch', 'ref', 'mode'] satisfies (keyof MergeItem)[];

/** Throws TypeError (`ERR_INVALID_ARG`) that names the field at fault. */
export function checkItems(items: readonly MergeItem[]): CheckedItem[] {
  if (!Array.isArray(items) || items.length === 0) throw invalidArgument('items', items, 'one item or more');
  return items.map((item: MergeItem) => {
    checkNames(item, ITEM_FIELDS);
    const { branch, ref, mode = 'merge' } = item;
    return { ...checkRepoName(item), branch: checkBranch(branch), ref: checkRef(ref), mode: checkMode(mode) };
  });
}

/** Only its shape; names in it that nobody asks for do no harm. Throws TypeError (`ERR_INVALID_ARG`). */
export function checkRepoState(state: RepoState | null | undefined): RepoState | undefined {
  if (state === undefined || state === null) return undefined;
  if (!isRecord(state)) throw invalidArgument('repoState', state, 'commits by connection, project and ref');
  for (const projects of Object.values(state)) {
    for (const refs of Object.values(isRecord(projects) ? projects : { none: undefined })) {
      const commits = isRecord(refs) ? Object.values(refs) : [undefined];
      const bad = commits.find(commit => typeof commit !== 'string' || !isCommit(commit));
      if (bad !== undefined || !isRecord(refs)) throw invalidArgument('a commit in repoState', bad, "a commit's name");
    }
  }
  return state;
}

/** What it says of a repository; undefined when that is nothing. */
export function refsIn(state: RepoState | undefined, { connection, project }: RepoName): RefCommits | undefined {
  const projects = own(state, connection);
  return own(projects, project);
}

/** Not what every object has. */
export function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
