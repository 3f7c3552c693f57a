/** Arguments and results of merges. All of it can travel as JSON. */
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-table.js';
import type { RefCommits } from './cached-repo.js';
import type { JobFailed, JobFailure } from './job-answer.js';
import { checkMode } from './merge-modes.js';
import type { CommitAuthor, MergeMode } from './merge-step.js';
import type { FileTexts } from './read-files.js';
import type { RepoState } from './repo-cache.js';
import { checkBranch, checkRef, checkRepoName, isCommit, type RepoName } from './repo-name.js';

/** A change and its target. */
export interface MergeItem extends RepoName {
  /** The target branch. */
  readonly branch: string;
  /** The change: the full name of a ref, such as `refs/heads/topic` or `refs/pull/1/head`, or the id of a commit. */
  readonly ref: string;
  /** Default `merge`. */
  readonly mode?: MergeMode | undefined;
  /** Author of the commit that `squash-merge` creates. Default: the author and date of the change's first commit. */
  readonly author?: CommitAuthor | undefined;
  /**
   * Message of the commit that `squash-merge` creates. Default: the messages of the change's commits, oldest first, at
   * most 100.
   */
  readonly message?: string | undefined;
}

/** A branch with all its changes merged. */
export interface MergedBranch extends RepoName {
  readonly branch: string;
  readonly commit: string;
  /** The ref to fetch from `url`, until it is released. */
  readonly ref: string;
  readonly url: string;
}

/** All items were merged. */
export interface Merged {
  readonly ok: true;
  /** The commit of the last item. */
  readonly commit: string;
  /** The commit of each item. */
  readonly commits: readonly string[];
  readonly branches: readonly MergedBranch[];
  /** For each item, the requested files as they are after it; null if none were requested. */
  readonly files: readonly FileTexts[] | null;
  /** The state of the repositories before the merge; if passed back, the same merges have the same bases. */
  readonly repoState: RepoState;
}

/** One item could not be merged, so none counts. */
export interface NotMerged extends JobFailed {
  readonly error: MergeFailure;
}

/** Why an item was not merged; `message` contains git's output. */
export interface MergeFailure extends JobFailure {
  /** Index of the item. */
  readonly item: number;
}

/** The outcome of a merge. */
export type MergeAnswer = Merged | NotMerged;

export interface CheckedItem extends MergeItem {
  readonly mode: MergeMode;
}

const ITEM_FIELDS = [
  'connection',
  'project',
  'branch',
  'ref',
  'mode',
  'author',
  'message',
] satisfies (keyof MergeItem)[];
/** Git leaves these out at the ends of a name. */
const CRUD_ONLY = /^[\s.,:;"'\\]*$/;

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the field at fault. */
export function checkItems(items: readonly MergeItem[]): CheckedItem[] {
  if (!Array.isArray(items) || items.length === 0) throw invalidArgument('items', items, 'one item or more');
  return items.map((item: MergeItem, at) => {
    const within = `items[${String(at)}]`;
    checkNames(item, ITEM_FIELDS, within);
    const { branch, ref, mode = 'merge', author, message } = item;
    const checked = {
      ...checkRepoName(item, `${within}.`),
      branch: checkBranch(branch, `${within}.branch`),
      ref: checkRef(ref, `${within}.ref`),
      mode: checkMode(mode, `${within}.mode`),
    };
    for (const [field, value] of Object.entries({ author, message })) {
      if (value === undefined || mode === 'squash-merge') continue;
      throw invalidArgument(
        `${within}.${field}`,
        value,
        "none, because only mode 'squash-merge' creates its own commit",
      );
    }
    return {
      ...checked,
      author: author === undefined ? undefined : checkAuthor(author, `${within}.author`),
      message: message === undefined ? undefined : checkMessage(message, `${within}.message`),
    };
  });
}

function checkAuthor(author: CommitAuthor, field: string): CommitAuthor {
  checkNames(author, ['name', 'email'], field);
  const { name, email } = author;
  if (typeof name !== 'string' || /[<>\p{Cc}]/u.test(name) || CRUD_ONLY.test(name)) {
    throw invalidArgument(`${field}.name`, name, 'a name without <, > or control characters');
  }
  if (typeof email !== 'string' || !/^[^<>\s\p{Cc}]+$/u.test(email)) {
    throw invalidArgument(`${field}.email`, email, 'an address without <, > or white space');
  }
  return { name, email };
}

function checkMessage(message: unknown, field: string): string {
  if (typeof message === 'string' && message.trim() !== '' && !message.includes('\0')) return message;
  throw invalidArgument(field, message, 'a non-empty string without a zero byte');
}

/** Checks the shape only: unused names do no harm. Throws a TypeError (`ERR_INVALID_ARG`). */
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

/** The refs of a repository in the state, if it has any. */
export function refsIn(state: RepoState | undefined, { connection, project }: RepoName): RefCommits | undefined {
  return own(own(state, connection), project);
}

/** Without inherited properties. */
export function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
