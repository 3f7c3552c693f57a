/** The jobs of an executor that need only its repositories. */
import { checkNames } from '../option/option-table.js';
import type { JobAnswer } from './job-answer.js';
import type { DoJob } from './job-source.js';
import type { Merged, MergedBranch, MergeItem } from './merge-item.js';
import type { Merger } from './merger.js';
import type { FileTexts } from './read-files.js';
import type { RepoCache, RepoState } from './repo-cache.js';
import type { RepoName } from './repo-name.js';
import type { Updates } from './updates.js';

/** Arguments of `merger:cat`. */
export interface CatJob extends RepoName {
  readonly branch: string;
  /** Files, and directories with a slash at the end. */
  readonly files: readonly string[];
}

/** The answer to `merger:cat`: the files of the updated repository, and the URL from which others can fetch it. */
export interface CatReply {
  readonly files: FileTexts;
  readonly url: string;
}

/** Arguments of `merger:merge`. */
export interface MergeJob {
  readonly items: readonly MergeItem[];
  readonly files?: readonly string[] | null | undefined;
  readonly repoState?: RepoState | null | undefined;
}

/** The answer to `merger:merge`: the last item's repository is at `url`, on `host`. */
export interface MergeReply extends Omit<Merged, 'ok'> {
  readonly url: string;
  readonly host: string;
}

/** Arguments of `executor:release:<host>`: the branches of a merge on that host. */
export interface ReleaseJob {
  readonly branches: readonly MergedBranch[];
}

export function mergerJobs(merger: Merger, cache: RepoCache, updates: Updates, host: string): [string, DoJob][] {
  const cat = async (args: unknown, signal: AbortSignal): Promise<JobAnswer<CatReply>> => {
    checkNames(args, ['connection', 'project', 'branch', 'files']);
    const { branch, files, ...name } = args as CatJob;
    const url = cache.urlHere(name);
    await updates.request(name, signal, 'merger');
    return { ok: true, value: { files: await merger.getFiles(name, branch, files, signal), url } };
  };
  const merge = async (args: unknown, signal: AbortSignal): Promise<JobAnswer<MergeReply>> => {
    checkNames(args, ['items', 'files', 'repoState']);
    const { items, files, repoState } = args as MergeJob;
    const answer = await merger.mergeChanges(items, files, repoState, signal);
    if (!answer.ok) return answer;
    const { ok, ...merged } = answer;
    const last = items.at(-1);
    return { ok, value: { ...merged, url: last === undefined ? '' : cache.urlHere(last), host } };
  };
  const release = async (args: unknown, signal: AbortSignal): Promise<JobAnswer<null>> => {
    checkNames(args, ['branches']);
    await merger.release((args as ReleaseJob).branches, signal);
    return { ok: true, value: null };
  };
  return [
    ['merger:cat', cat],
    ['merger:merge', merge],
    [`executor:release:${host}`, release],
  ];
}
