/**
 * Merges changes in the cache's repositories: each on top of the one before it for the same branch, the first on top of the
 * branch. All repositories stay locked until the end, so that nothing changes between two items.
 */
import { invalidArgument } from '../option/invalid-argument.js';
import { outsideSections } from '../wait/section-guard.js';
import type { CachedRepo, RefCommits } from './cached-repo.js';
import { ExecutorError } from './executor-error.js';
import { GitError } from './git-error.js';
import { failureOf } from './job-answer.js';
import { checkItems, checkRepoState, own, refsIn } from './merge-item.js';
import type { CheckedItem, MergeAnswer, MergedBranch, MergeItem } from './merge-item.js';
import { putOnBase } from './merge-modes.js';
import { newResultRef } from './merge-results.js';
import { type FileTexts, readFiles } from './read-files.js';
import { RepoCache, type RepoState } from './repo-cache.js';
import { checkBranch, checkPaths, checkRef, checkRepoName, isCommit, keyOfRepo, type RepoName } from './repo-name.js';

/**
 * Merges changes and reads files in the copies of a cache. Concurrent calls for different repositories run side by
 * side.
 */
export class Merger {
  readonly #cache: RepoCache;

  /** Throws a TypeError (`ERR_INVALID_ARG`) if the argument is not a cache. */
  constructor(cache: RepoCache) {
    if (!(cache instanceof RepoCache)) throw invalidArgument('cache', cache, 'a RepoCache');
    this.#cache = cache;
  }

  /**
   * Merges the items in order. An item is merged on top of the previous one for its branch, otherwise onto the branch's
   * commit in `repoState`, otherwise onto the current state of the branch at its remote, which is added to the answer's
   * `repoState`. `files` are read after each item.
   *
   * If a change cannot be merged (`ERR_MERGE_CONFLICT`), or git or a repository fails in any other way, the whole
   * answer has that `error`. Rejects with a TypeError (`ERR_INVALID_ARG`), and with the reason of `signal`. No
   * unfinished merge ever remains.
   */
  async mergeChanges(
    items: readonly MergeItem[],
    files?: readonly string[] | null,
    repoState?: RepoState | null,
    signal?: AbortSignal,
  ): Promise<MergeAnswer> {
    return outsideSections('mergeChanges of a Merger', async () => {
      const checked = checkItems(items);
      const paths = files === undefined || files === null ? undefined : checkPaths(files);
      const state = checkRepoState(repoState);
      const names = new Map(checked.map(item => [keyOfRepo(item), item]));
      const work = async (all: readonly CachedRepo[]): Promise<MergeAnswer> => {
        const repos = new Map([...names.keys()].map((key, at) => [key, all[at]]));
        return new MergeRun({ repos, items: checked, paths, given: state, cache: this.#cache, signal }).run();
      };
      for (const [at, item] of checked.entries()) {
        try {
          this.#cache.remoteUrl(item);
        } catch (error) {
          if (error instanceof ExecutorError) return notMerged(at, error);
          throw error;
        }
      }
      try {
        return await this.#cache.withRepos([...names.values()], work, signal);
      } catch (error) {
        if (error instanceof ExecutorError && error.code === 'ERR_CACHE_IN_USE') return notMerged(0, error);
        throw error;
      }
    });
  }

  /**
   * Returns the text of files on a branch or in a commit, as of the last update. `paths` name files or, with a slash at
   * the end, directories with everything below them. Null for a missing file.
   *
   * Rejects with a GitError or an ExecutorError: `ERR_NO_REPOSITORY`, `ERR_NO_REF`.
   */
  async getFiles(name: RepoName, ref: string, paths: readonly string[], signal?: AbortSignal): Promise<FileTexts> {
    return outsideSections('getFiles of a Merger', async () => {
      if (!isCommit(ref)) checkBranch(ref);
      const checked = checkPaths(paths);
      const read = async (repo: CachedRepo): Promise<FileTexts> => {
        await repo.open(signal);
        if (isCommit(ref)) {
          if (await repo.has(ref, signal)) return readFiles(repo, ref, checked, signal);
          throw absent(repo, `commit ${ref}`);
        }
        const commit = (await repo.refs(signal))[`refs/heads/${ref}`];
        if (commit === undefined) throw absent(repo, `branch ${ref}`);
        return readFiles(repo, commit, checked, signal);
      };
      return this.#cache.withRepo(name, async repo => repo.curing(async () => read(repo), signal), signal);
    });
  }

  /**
   * Removes the refs that a merge has left for others to fetch. Tries all of them, then rejects with the first GitError
   * or the reason of `signal`, if any.
   */
  async release(branches: readonly MergedBranch[], signal?: AbortSignal): Promise<void> {
    if (!Array.isArray(branches)) throw invalidArgument('branches', branches, 'a list of merged branches');
    const checked = (branches as readonly MergedBranch[]).map(branch => ({
      name: checkRepoName(branch),
      ref: checkRef(branch.ref),
    }));
    const ends = await Promise.allSettled(checked.map(async ({ name, ref }) => this.#cache.release(name, ref, signal)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}

/** The arguments of mergeChanges, checked, and the locked repositories by key. */
interface MergeCall {
  readonly repos: ReadonlyMap<string, CachedRepo | undefined>;
  readonly items: readonly CheckedItem[];
  readonly paths: readonly string[] | undefined;
  readonly given: RepoState | undefined;
  readonly cache: RepoCache;
  readonly signal: AbortSignal | undefined;
}

class MergeRun {
  readonly #call: MergeCall;
  /** Refs of each repository before the merge. */
  readonly #refs = new Map<string, RefCommits>();
  /** The item that is being merged. */
  #at = 0;
  /** The results that have a ref by now. */
  #branches: MergedBranch[] = [];

  constructor(call: MergeCall) {
    this.#call = call;
  }

  async run(): Promise<MergeAnswer> {
    try {
      return await this.#mergeAll();
    } catch (error) {
      try {
        // A rebuilt repository has lost the merges of the items before.
        if (await this.#repoOf(this.#item).cure(error, this.#call.signal)) return await this.#mergeAll();
      } catch (again) {
        return await this.#failed(again);
      }
      return this.#failed(error);
    }
  }

  async #mergeAll(): Promise<MergeAnswer> {
    const { items, paths, cache, signal } = this.#call;
    const tips = new Map<string, { readonly at: number; readonly commit: string }>();
    const commits: string[] = [];
    const files: FileTexts[] = [];
    this.#refs.clear();
    await this.#discardAll();
    for (const [at, item] of items.entries()) {
      this.#at = at;
      const repo = this.#repoOf(item);
      const key = `${keyOfRepo(item)}:${item.branch}`;
      const base = tips.get(key)?.commit ?? (await this.#baseOf(item, repo));
      const change = await repo.fetchCommit(item.ref, signal);
      const message = `Merge ${item.ref} into ${item.branch}`;
      const { author, message: text } = item;
      const squash = { author, message: text };
      const commit = await putOnBase(item.mode, { repo, base, change, message, squash, signal });
      tips.set(key, { at, commit });
      commits.push(commit);
      if (paths !== undefined) files.push(await readFiles(repo, commit, paths, signal));
    }
    for (const { at, commit } of tips.values()) {
      this.#at = at;
      const { connection, project, branch } = this.#item;
      const ref = newResultRef();
      // Before git makes the ref, so that it is discarded even when git fails after that.
      this.#branches.push({ connection, project, branch, commit, ref, url: cache.urlHere(this.#item) });
      await this.#repoOf(this.#item).keep(commit, ref, signal);
    }
    return {
      ok: true,
      commit: commits.at(-1) ?? '',
      commits,
      branches: this.#branches,
      files: paths === undefined ? null : files,
      repoState: this.#state(),
    };
  }

  /** The branch's commit in the saved state, else as it is now. */
  async #baseOf(item: CheckedItem, repo: CachedRepo): Promise<string> {
    const { signal } = this.#call;
    const refs = await this.#refsOf(item, repo);
    const name = `refs/heads/${item.branch}`;
    const base = own(refs, name) ?? (await this.#baseNow(item, repo, name));
    if (base === undefined) throw absent(repo, `branch ${item.branch}`);
    // The branch may have been force-pushed since the state was saved.
    if (!(await repo.has(base, signal))) await repo.fetchCommit(base, signal);
    return base;
  }

  /** Adds a branch that the repository's saved state lacks. */
  async #baseNow(item: CheckedItem, repo: CachedRepo, name: string): Promise<string | undefined> {
    const { given, signal } = this.#call;
    if (refsIn(given, item) === undefined) return undefined;
    await repo.fetch(signal);
    const base = own(await repo.refs(signal), name);
    const key = keyOfRepo(item);
    if (base !== undefined) this.#refs.set(key, { ...this.#refs.get(key), [name]: base });
    return base;
  }

  async #refsOf(item: CheckedItem, repo: CachedRepo): Promise<RefCommits> {
    const { given, signal } = this.#call;
    const key = keyOfRepo(item);
    const known = this.#refs.get(key);
    if (known !== undefined) return known;
    const saved = refsIn(given, item);
    if (saved === undefined) await repo.fetch(signal);
    else await repo.open(signal);
    const refs = saved ?? (await repo.refs(signal));
    this.#refs.set(key, refs);
    return refs;
  }

  /** The given state with what was found. */
  #state(): RepoState {
    const { given = {}, items } = this.#call;
    const state = new Map(Object.entries(given).map(([name, all]) => [name, new Map(Object.entries(all))]));
    for (const item of items) {
      const projects = state.get(item.connection) ?? new Map<string, RefCommits>();
      projects.set(item.project, this.#refs.get(keyOfRepo(item)) ?? {});
      state.set(item.connection, projects);
    }
    return Object.fromEntries([...state].map(([name, projects]) => [name, Object.fromEntries(projects)]));
  }

  async #failed(error: unknown): Promise<MergeAnswer> {
    await this.#repoOf(this.#item).abandon();
    await this.#discardAll();
    // An abort says nothing about the change, whatever its reason is.
    this.#call.signal?.throwIfAborted();
    if (error instanceof GitError || error instanceof ExecutorError) return notMerged(this.#at, error);
    throw error;
  }

  async #discardAll(): Promise<void> {
    for (const { ref, ...name } of this.#branches) await this.#repoOf(name).discard(ref);
    this.#branches = [];
  }

  get #item(): CheckedItem {
    return the(this.#call.items[this.#at]);
  }

  #repoOf(name: RepoName): CachedRepo {
    return the(this.#call.repos.get(keyOfRepo(name)));
  }
}

function absent({ name }: CachedRepo, what: string): ExecutorError {
  return new ExecutorError('ERR_NO_REF', `${keyOfRepo(name)} has no ${what}`, { repository: name });
}

function notMerged(item: number, error: GitError | ExecutorError): MergeAnswer {
  return { ok: false, error: { ...failureOf(error), item } };
}

function the<T>(one: T | undefined): T {
  if (one === undefined) throw new Error('an item or a repository is missing');
  return one;
}
