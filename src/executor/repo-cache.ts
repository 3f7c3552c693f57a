/** Repositories kept in a folder, each under a lock of its own. */
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { KeyedLock } from '../wait/keyed-lock.js';
import { type Log, logOption } from '../report/log.js';
import { flag, func, milliseconds, text } from '../option/option-kinds.js';
import { group, readOptions, type Settings, type Table } from '../option/option-table.js';
import { outsideSections } from '../wait/section-guard.js';
import { CachedRepo, type RefCommits, removeRepo } from './cached-repo.js';
import type { ItemLocks } from './deduplicate-queue.js';
import { ExecutorError } from './executor-error.js';
import { Git, GIT, type GitOptions } from './git.js';
import { GitError } from './git-error.js';
import { checkRepoName, checkUrl, folderOfRepo, keyOfRepo, type RepoName } from './repo-name.js';
import { refuseStuck } from './stuck-git.js';
import { endSurvivors } from './surviving-processes.js';

/** How repositories are kept. */
export interface RepoCacheOptions {
  /**
   * Holds them; made when missing. It is for this cache alone: two at once would take each other's lock files away. What
   * another process on this machine does there is refused (`ERR_CACHE_IN_USE`) if it is seen at the first use.
   */
  folder: string;
  /**
   * The URL of a repository: http, https, ssh, git or file, `user@host:path`, or an absolute path. Undefined when there is
   * none.
   */
  urlOf: (connection: string, project: string) => string | undefined;
  /** Where others fetch from what is kept here. Default: a file URL of the folder. */
  servedAt?: ((connection: string, project: string) => string) | undefined;
  /** For how long a merge result is kept that nobody releases, ms; `Infinity`: for ever. Default 604,800,000 (7 days). */
  keepMergesMs?: number | undefined;
  /** One lock for all repositories rather than one for each. Default false. */
  singleLock?: boolean | undefined;
  git?: GitOptions | undefined;
  /** Default: silent. */
  log?: Log | undefined;
}

/** The commits of branches and tags, by connection, project and whole name of the ref. */
export type RepoState = Readonly<Record<string, Readonly<Record<string, RefCommits>>>>;

export const REPO_CACHE = {
  folder: text().required.as(folder => resolve(folder)),
  urlOf: func<RepoCacheOptions['urlOf']>('(connection, project)').required,
  servedAt: func<NonNullable<RepoCacheOptions['servedAt']>>('(connection, project)'),
  keepMergesMs: milliseconds({ from: 0, to: Infinity }).or(7 * 24 * 3_600_000),
  singleLock: flag().or(false),
  git: group(GIT),
  log: logOption('repo_cache'),
} satisfies Table<RepoCacheOptions>;

const ALL = 'all';

/**
 * Copies of git repositories, made when they are first needed. Whatever it does with one it does under the repository's
 * lock, which is fair: first come, first served.
 */
export class RepoCache {
  readonly #settings: Settings<typeof REPO_CACHE>;
  readonly #git: Git;
  readonly #lock = new KeyedLock();
  readonly #repos = new Map<string, CachedRepo>();
  #survivors: Promise<void> | undefined;

  /**
   * The lock of each repository, for who takes it himself and then calls `updateLocked`.
   * @internal
   */
  readonly repoLocks: ItemLocks<RepoName> = {
    lockOf: name => (this.#settings.singleLock ? ALL : keyOfRepo(name)),
    tryAcquire: lock => this.#lock.tryAcquire(lock),
    acquire: async (lock, signal) => this.#lock.acquire(lock, signal),
  };

  /** Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: RepoCacheOptions) {
    this.#settings = readOptions(REPO_CACHE, options);
    this.#git = new Git(this.#settings.git, this.#settings.log);
  }

  /** How many locks somebody has or waits for. */
  get locks(): number {
    return this.#lock.size;
  }

  /**
   * Brings the repository up to date with its remote: branches and tags, also moved, force-pushed and deleted ones. A first
   * time, or a damaged one, is a clone.
   *
   * Rejects with GitError; with ExecutorError (`ERR_NO_REPOSITORY`) when it has no URL; with the reason of `signal`, when
   * git has been ended. What was there stays then.
   */
  async update(name: RepoName, signal?: AbortSignal): Promise<void> {
    return outsideSections('update of a RepoCache', async () =>
      this.withRepos([name], async ([repo]) => repo?.fetch(signal), signal),
    );
  }

  /**
   * Frees the disk of a repository, merge results included, when nobody has or waits for it any more. The next use clones
   * it again. Rejects with GitError (`ERR_GIT_STUCK`) while a git hangs in it.
   */
  async free(name: RepoName): Promise<void> {
    return outsideSections('free of a RepoCache', async () => {
      const checked = checkRepoName(name);
      const key = keyOfRepo(checked);
      const free = async (): Promise<void> => {
        // It may have no URL any more.
        const place = join(this.#settings.folder, folderOfRepo(checked));
        refuseStuck(place, 'free');
        this.#repos.delete(key);
        await removeRepo(place);
      };
      await this.#locked(this.#settings.singleLock ? [ALL] : [key], free, undefined);
    });
  }

  /**
   * A merge result goes: its ref is removed, and git removes its objects some time. Nothing happens when the repository is
   * not here any more. Rejects with GitError, and with the reason of `signal`.
   */
  async release(name: RepoName, ref: string, signal?: AbortSignal): Promise<void> {
    return outsideSections('release of a RepoCache', async () => {
      const checked = checkRepoName(name);
      const key = keyOfRepo(checked);
      // It may have no URL any more, and needs none.
      const release = async (): Promise<void> =>
        (this.#repos.get(key) ?? this.#copyOf(checked, '')).release(ref, signal);
      return this.#locked(this.#settings.singleLock ? [ALL] : [key], release, signal);
    });
  }

  /** Where others fetch from the copy that is kept here. */
  urlHere(name: RepoName): string {
    const { connection, project } = checkRepoName(name);
    if (this.#settings.servedAt !== undefined) return this.#settings.servedAt(connection, project);
    return pathToFileURL(`${join(this.#settings.folder, folderOfRepo({ connection, project }))}.git`).href;
  }

  /**
   * As `update`, by who has the lock.
   * @internal
   */
  async updateLocked(name: RepoName, signal: AbortSignal): Promise<void> {
    await this.#alone();
    const repo = await this.#repo(name);
    await repo.fetch(signal);
  }

  /**
   * Whether the refs and commits are here without an update.
   * @internal
   */
  async hasAll(name: RepoName, wanted: RefCommits, signal: AbortSignal): Promise<boolean> {
    const look = async ([repo]: readonly CachedRepo[]): Promise<boolean> =>
      (await repo?.hasAll(wanted, signal)) ?? false;
    try {
      return await this.withRepos([name], look, signal);
    } catch (error) {
      // An update mends it.
      if (error instanceof GitError) return false;
      throw error;
    }
  }

  /**
   * Throws ExecutorError (`ERR_NO_REPOSITORY`) when it has none, and TypeError (`ERR_INVALID_ARG`) when that is a bad one.
   * @internal
   */
  remoteUrl(name: RepoName): string {
    const url = this.#settings.urlOf(name.connection, name.project);
    if (url === undefined) throw new ExecutorError('ERR_NO_REPOSITORY', `${keyOfRepo(name)} has no URL`);
    return checkUrl(url);
  }

  /**
   * Does `work` with the lock of all these repositories, which it gets in their order.
   * @internal
   */
  async withRepos<T>(
    names: readonly RepoName[],
    work: (repos: readonly CachedRepo[]) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const checked = names.map(checkRepoName);
    const keys = this.#settings.singleLock ? [ALL] : checked.map(keyOfRepo);
    const doIt = async (): Promise<T> => work(await Promise.all(checked.map(async name => this.#repo(name))));
    return this.#locked(keys, doIt, signal);
  }

  async #locked<T>(keys: readonly string[], work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#lock.run(
      keys,
      async () => {
        await this.#alone();
        return work();
      },
      signal,
    );
  }

  /** Before anything is done to a repository: whatever of a former process is still at it has ended. */
  async #alone(): Promise<void> {
    this.#survivors ??= endSurvivors(this.#settings.folder, this.#settings.log);
    try {
      await this.#survivors;
    } catch (error) {
      this.#survivors = undefined;
      throw error;
    }
  }

  async #repo(name: RepoName): Promise<CachedRepo> {
    const key = keyOfRepo(name);
    const url = this.remoteUrl(name);
    const known = this.#repos.get(key);
    if (known?.url === url) return known;
    const repo = this.#copyOf(name, url);
    await mkdir(dirname(repo.gitDir), { recursive: true });
    this.#repos.set(key, repo);
    return repo;
  }

  #copyOf(name: RepoName, url: string): CachedRepo {
    return new CachedRepo(
      join(this.#settings.folder, folderOfRepo(name)),
      url,
      this.#git,
      this.#settings.log,
      this.#settings.keepMergesMs,
    );
  }
}
