/**
 * Merges changes in the cache's repositories: each on top of the one before it for the same branch, the first on top of the
 * branch. All repositories are locked until the end, so that nothing comes in between two items.
 */
import { invalidArgument } from '../option/invalid-argument.js';
import { outsideSections } from '../wait/section-guard.js';
import { type CachedRepo, newResultRef, type RefCommits } from './cached-repo.js';
import { ExecutorError } from './executor-error.js';
import { GitError, mayPass } from './git-error.js';
import {
  type CheckedItem,
  checkItems,
  checkRepoState,
  type MergeAnswer,
  type MergedBranch,
  own,
  refsIn,
} from './merge-item.js';
import type { MergeItem } from './merge-item.js';
import { putOnBase } from './merge-modes.js';
import { type FileTexts, readFiles } from './read-files.js';
import { RepoCache, type RepoState } from './repo-cache.js';
import { checkBranch, checkPaths, checkRef, checkRepoName, isCommit, keyOfRepo, type RepoName } from './repo-name.js';

/** Several at once is fine: those of different repositories run side by side. */
export class Merger {
  readonly #cache: RepoCache;

  /** Throws TypeError (`ERR_INVALID_ARG`) when it is no cache. */
  constructor(cache: RepoCache) {
    if (!(cache instanceof RepoCache)) throw invalidArgument('cache', cache, 'a RepoCache');
    this.#cache = cache;
  }

  /**
   * Merges the items in their order. An item goes on top of the last one for its branch, or of the branch's commit in
   * `repoState`, or of the branch as it is at its remote now, in this order; what is not in `repoState` is added to it.
   * With `files`, these are read after each item.
   *
   * A change that does not merge, or anything else that git or a repository does not do, makes the whole answer "not
   * merged". Rejects with TypeError (`ERR_INVALID_ARG`), and with the reason of `signal`. Whatever happens, no unfinished
   * merge is left.
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
      const work = async (repos: readonly CachedRepo[]): Promise<MergeAnswer> => {
        const byKey = new Map([...names.keys()].map((key, at) => [key, repos[at]]));
        return new MergeRun(byKey, checked, paths, state, this.#cache, signal).run();
      };
      for (const [at, item] of checked.entries()) {
        try {
          this.#cache.remoteUrl(item);
        } catch (error) {
          if (error instanceof ExecutorError) return notMerged(at, error);
          throw error;
        }
      }
      return this.#cache.withRepos([...names.values()], work, signal);
    });
  }

  /**
   * Texts of files of a branch, or of a commit, as it is here since the last update: paths of files, and of folders with a
   * slash at the end, each with everything below it. Null for a file that is not there.
   *
   * Rejects with GitError, and with ExecutorError: `ERR_NO_REPOSITORY`, `ERR_NO_REF`.
   */
  async getFiles(name: RepoName, ref: string, paths: readonly string[], signal?: AbortSignal): Promise<FileTexts> {
    return outsideSections('getFiles of a Merger', async () => {
      if (!isCommit(ref)) checkBranch(ref);
      const checked = checkPaths(paths);
      const read = async (repo: CachedRepo): Promise<FileTexts> => {
        await repo.open(signal);
        const commit = isCommit(ref) ? ref : (await repo.refs(signal))[`refs/heads/${ref}`];
        if (commit === undefined) throw new ExecutorError('ERR_NO_REF', `${keyOfRepo(name)} has no branch ${ref}`);
        return readFiles(repo, commit, checked, signal);
      };
      return this.#cache.withRepos(
        [name],
        async repos => {
          const repo = the(repos[0]);
          return repo.curing(async () => read(repo), signal);
        },
        signal,
      );
    });
  }

  /**
   * What a merge left for others to fetch is not needed any more: its refs go. One that cannot be removed keeps none of the
   * others; it rejects then, with the first GitError, or with the reason of `signal`.
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

/** One call of mergeChanges, with the locks held. */
class MergeRun {
  readonly #repos: ReadonlyMap<string, CachedRepo | undefined>;
  readonly #items: readonly CheckedItem[];
  readonly #paths: readonly string[] | undefined;
  readonly #given: RepoState | undefined;
  readonly #cache: RepoCache;
  readonly #signal: AbortSignal | undefined;
  /** Of each repository, as it was. */
  readonly #refs = new Map<string, RefCommits>();
  /** The item that is being merged. */
  #at = 0;
  /** What has a ref by now. */
  #branches: MergedBranch[] = [];

  constructor(
    repos: ReadonlyMap<string, CachedRepo | undefined>,
    items: readonly CheckedItem[],
    paths: readonly string[] | undefined,
    given: RepoState | undefined,
    cache: RepoCache,
    signal: AbortSignal | undefined,
  ) {
    this.#repos = repos;
    this.#items = items;
    this.#paths = paths;
    this.#given = given;
    this.#cache = cache;
    this.#signal = signal;
  }

  async run(): Promise<MergeAnswer> {
    try {
      return await this.#mergeAll();
    } catch (error) {
      try {
        // A repository that was made anew has lost the merges of the items before.
        if (await this.#repoOf(this.#items[this.#at]).cure(error, this.#signal)) return await this.#mergeAll();
      } catch (again) {
        return await this.#failed(again);
      }
      return this.#failed(error);
    }
  }

  async #mergeAll(): Promise<MergeAnswer> {
    const tips = new Map<string, { readonly at: number; readonly commit: string }>();
    const commits: string[] = [];
    const files: FileTexts[] = [];
    this.#refs.clear();
    await this.#discardAll();
    for (const [at, item] of this.#items.entries()) {
      this.#at = at;
      const repo = this.#repoOf(item);
      const key = `${keyOfRepo(item)}:${item.branch}`;
      const base = tips.get(key)?.commit ?? (await this.#baseOf(item, repo));
      const change = await repo.fetchCommit(item.ref, this.#signal);
      const message = `Merge ${item.ref} into ${item.branch}`;
      const commit = await putOnBase(item.mode, { repo, base, change, message, signal: this.#signal });
      tips.set(key, { at, commit });
      commits.push(commit);
      if (this.#paths !== undefined) files.push(await readFiles(repo, commit, this.#paths, this.#signal));
    }
    for (const { at, commit } of tips.values()) {
      this.#at = at;
      const item = the(this.#items[at]);
      const { connection, project, branch } = item;
      const ref = newResultRef();
      // Before the ref is made: then it goes again whatever keeps git from saying that it has made it.
      this.#branches.push({ connection, project, branch, commit, ref, url: this.#cache.urlHere(item) });
      await this.#repoOf(item).keep(commit, ref, this.#signal);
    }
    return {
      merged: true,
      commit: commits.at(-1) ?? '',
      commits,
      branches: this.#branches,
      files: this.#paths === undefined ? null : files,
      repoState: this.#state(),
    };
  }

  /** The branch's commit, as it was when the state was saved or, if it was not, as it is now. */
  async #baseOf(item: CheckedItem, repo: CachedRepo): Promise<string> {
    const refs = await this.#refsOf(item, repo);
    const name = `refs/heads/${item.branch}`;
    const base = own(refs, name) ?? (await this.#baseNow(item, repo, name));
    if (base === undefined) {
      throw new ExecutorError('ERR_NO_REF', `${keyOfRepo(item)} has no branch ${item.branch}`);
    }
    // Of a branch that has been forced elsewhere since then.
    if (!(await repo.has(base, this.#signal))) await repo.fetchCommit(base, this.#signal);
    return base;
  }

  /** Of a branch that is not in the repository's saved state: as it is now, and so it is added to that. */
  async #baseNow(item: CheckedItem, repo: CachedRepo, name: string): Promise<string | undefined> {
    if (refsIn(this.#given, item) === undefined) return undefined;
    await repo.fetch(this.#signal);
    const base = own(await repo.refs(this.#signal), name);
    const key = keyOfRepo(item);
    if (base !== undefined) this.#refs.set(key, { ...this.#refs.get(key), [name]: base });
    return base;
  }

  async #refsOf(item: CheckedItem, repo: CachedRepo): Promise<RefCommits> {
    const key = keyOfRepo(item);
    const known = this.#refs.get(key);
    if (known !== undefined) return known;
    const saved = refsIn(this.#given, item);
    if (saved === undefined) await repo.fetch(this.#signal);
    else await repo.open(this.#signal);
    const refs = saved ?? (await repo.refs(this.#signal));
    this.#refs.set(key, refs);
    return refs;
  }

  /** What was given, and what was found. */
  #state(): RepoState {
    const state = new Map(Object.entries(this.#given ?? {}).map(([name, all]) => [name, new Map(Object.entries(all))]));
    for (const item of this.#items) {
      const projects = state.get(item.connection) ?? new Map<string, RefCommits>();
      projects.set(item.project, this.#refs.get(keyOfRepo(item)) ?? {});
      state.set(item.connection, projects);
    }
    return Object.fromEntries([...state].map(([name, projects]) => [name, Object.fromEntries(projects)]));
  }

  async #failed(error: unknown): Promise<MergeAnswer> {
    await this.#repoOf(this.#items[this.#at]).abandon();
    await this.#discardAll();
    // Whatever its reason is, it says nothing of the change.
    this.#signal?.throwIfAborted();
    if (error instanceof GitError || error instanceof ExecutorError) return notMerged(this.#at, error);
    throw error;
  }

  async #discardAll(): Promise<void> {
    for (const { ref, ...name } of this.#branches) await this.#repos.get(keyOfRepo(name))?.discard(ref);
    this.#branches = [];
  }

  #repoOf(item: CheckedItem | undefined): CachedRepo {
    return the(item === undefined ? undefined : this.#repos.get(keyOfRepo(item)));
  }
}

function notMerged(item: number, error: GitError | ExecutorError): MergeAnswer {
  const reason = error instanceof GitError && error.code === 'ERR_GIT_FAILED' ? error.words : error.message;
  const nothing = { merged: false, commit: null, files: null, repoState: null } as const;
  return { ...nothing, item, reason: reason || error.message, code: error.code, isTransient: mayPass(error) };
}

function the<T>(one: T | undefined): T {
  if (one === undefined) throw new Error('an item or a repository is missing');
  return one;
}
