/** The jobs of an executor that are about its repositories alone. */
import { checkNames } from '../option/option-table.js';
import { GitError, type GitErrorCode, mayPass } from './git-error.js';
import type { DoJob } from './job-source.js';
import type { MergeAnswer, MergedBranch, MergeItem } from './merge-item.js';
import type { Merger } from './merger.js';
import type { FileTexts } from './read-files.js';
import type { RepoCache, RepoState } from './repo-cache.js';
import type { RepoName } from './repo-name.js';
import type { Updates } from './updates.js';

/** Arguments of `merger:cat`. */
export interface CatJob extends RepoName {
  readonly branch: string;
  /** Paths of files, and of folders with a slash at the end. */
  readonly files: readonly string[];
}

/** What `merger:cat` answers with. */
export type CatReply =
  | { readonly updated: true; readonly files: FileTexts; readonly url: string }
  /** The repository could not be brought up to date; `reason` has git's words. `isTransient`: it may be later, or elsewhere. */
  | {
      readonly updated: false;
      readonly files: null;
      readonly url: string;
      readonly reason: string;
      readonly code: GitErrorCode;
      readonly isTransient: boolean;
    };

/** Arguments of `merger:merge`. */
export interface MergeJob {
  readonly items: readonly MergeItem[];
  readonly files?: readonly string[] | null | undefined;
  readonly repoState?: RepoState | null | undefined;
}

/** What `merger:merge` answers with: `url` is where the last item's repository is kept, `host` who has it. */
export type MergeReply = MergeAnswer & { readonly url: string; readonly host: string };

/** Arguments of `executor:release:<host>`: what a merge there gave. */
export interface ReleaseJob {
  readonly branches: readonly MergedBranch[];
}

export function mergerJobs(merger: Merger, cache: RepoCache, updates: Updates, host: string): [string, DoJob][] {
  const cat = async (args: unknown, signal: AbortSignal): Promise<CatReply> => {
    checkNames(args, ['connection', 'project', 'branch', 'files']);
    const { branch, files, ...name } = args as CatJob;
    const url = cache.urlHere(name);
    try {
      await updates.request(name, signal, 'merger');
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      const { message: reason, code } = error;
      return { updated: false, files: null, url, reason, code, isTransient: mayPass(error) };
    }
    return { updated: true, files: await merger.getFiles(name, branch, files, signal), url };
  };
  const merge = async (args: unknown, signal: AbortSignal): Promise<MergeReply> => {
    checkNames(args, ['items', 'files', 'repoState']);
    const { items, files, repoState } = args as MergeJob;
    const answer = await merger.mergeChanges(items, files, repoState, signal);
    const last = items.at(-1);
    return { ...answer, url: last === undefined ? '' : cache.urlHere(last), host };
  };
  const release = async (args: unknown, signal: AbortSignal): Promise<null> => {
    checkNames(args, ['branches']);
    await merger.release((args as ReleaseJob).branches, signal);
    return null;
  };
  return [
    ['merger:cat', cat],
    ['merger:merge', merge],
    [`executor:release:${host}`, release],
  ];
}
