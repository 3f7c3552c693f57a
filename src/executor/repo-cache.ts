/** Repositories kept in a directory, each under a lock of its own. */
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Log, logOption } from '../report/log.js';
import { flag, func, milliseconds, text } from '../option/option-kinds.js';
import { group, readOptions, type Settings, type Table } from '../option/option-table.js';
import { outsideSections } from '../wait/section-guard.js';
import { cacheFolder } from './cache-folder.js';
import { CachedRepo, type RefCommits } from './cached-repo.js';
import type { ItemLocks } from './deduplicate-queue.js';
import { ExecutorError } from './executor-error.js';
import { makeWritable } from './foreign-owner.js';
import { Git, GIT, type GitOptions } from './git.js';
import { GitError } from './git-error.js';
import { checkRepoName, checkUrl, folderOfRepo, keyOfRepo, type RepoName } from './repo-name.js';
import { removeRepo } from './repo-parts.js';
import { refuseStuck } from './stuck-git.js';
import { Upkeep } from './upkeep.js';

/** How to keep repositories. */
export interface RepoCacheOptions {
  /**
   * Directory of the repositories; created if missing. Only one process at a time may use it: the first use locks it
   * until `close`, or until the process and its git commands have ended; other processes are refused
   * (`ERR_CACHE_IN_USE`). Several caches of one process may share it.
   */
  folder: string;
  /** The URL of a repository: http, https, ssh, git, file, `user@host:path`, or an absolute path; undefined for none. */
  urlOf: (connection: string, project: string) => string | undefined;
  /** The URL from which others fetch the copies. Default: a file URL of the directory. */
  servedAt?: ((connection: string, project: string) => string) | undefined;
  /**
   * How long to keep a merge result that is not released, ms; `Infinity` for no limit. Default 604,800,000 (7 days).
   */
  keepMergesMs?: number | undefined;
  /** Whether there is one lock for all repositories instead of one for each. Default false. */
  singleLock?: boolean | undefined;
  git?: GitOptions | undefined;
  /** Default: silent. */
  log?: Log | undefined;
}

/** The commits of branches and tags, by connection, project and full name of the ref. */
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

/** Copies of git repositories, created when first needed. All work on a repository happens under its lock, in turn. */
export class RepoCache {
  readonly #settings: Settings<typeof REPO_CACHE>;
  readonly #git: Git;
  readonly #folder: ReturnType<typeof cacheFolder>;
  readonly #upkeep: Upkeep;
  readonly #repos = new Map<string, CachedRepo>();

  /**
   * The lock of each repository, for callers of `updateLocked`.
   * @internal
   */
  readonly repoLocks: ItemLocks<RepoName> = {
    lockOf: name => (this.#settings.singleLock ? ALL : keyOfRepo(name)),
    tryAcquire: lock => this.#folder.locks.tryAcquire(lock),
    acquire: async (lock, signal) => this.#folder.locks.acquire(lock, signal),
  };

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: RepoCacheOptions) {
    this.#settings = readOptions(REPO_CACHE, options);
    const folder = cacheFolder(this.#settings.folder);
    this.#folder = folder;
    const inherited = (): number[] => (folder.fd === undefined ? [] : [folder.fd]);
    this.#git = new Git(this.#settings.git, this.#settings.log, inherited, join(this.#settings.folder, '@gitconfig'));
    this.#upkeep = new Upkeep(this.#git, this.#settings.log);
  }

  /** @internal */
  get folder(): string {
    return this.#settings.folder;
  }

  /** How many locks of the directory are held or waited for. */
  get locks(): number {
    return this.#folder.locks.size;
  }

  /**
   * Ends a running `git gc`, waits for all other work in the directory, then releases the directory, so that another process
   * may use it. A later use takes it again. If several caches of this process use the directory, the last one to close
   * releases it.
   */
  async close(): Promise<void> {
    return outsideSections('close of a RepoCache', async () => {
      await this.#upkeep.end();
      await this.#folder.leave(this);
      // Of an update that was still being done.
      await this.#upkeep.end();
    });
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Brings branches and tags up to date with the remote, including moved, force-pushed and deleted ones. Clones a
   * missing or damaged repository.
   *
   * Rejects with a GitError; with an ExecutorError: `ERR_NO_REPOSITORY` for a repository that has no URL or that its
   * server does not have, `ERR_CACHE_IN_USE` while another process uses the directory; with the reason of `signal`, once
   * git has ended. In these cases the copy stays as it was.
   */
  async update(name: RepoName, signal?: AbortSignal): Promise<void> {
    return outsideSections('update of a RepoCache', async () =>
      this.withRepo(name, async repo => repo.fetch(signal), signal),
    );
  }

  /**
   * Frees the disk space of a repository, including merge results, in its turn. The next use clones it again. Rejects
   * with a GitError (`ERR_GIT_STUCK`) while a git command hangs in the repository.
   */
  async free(name: RepoName): Promise<void> {
    return outsideSections('free of a RepoCache', async () => {
      const checked = checkRepoName(name);
      const free = async (): Promise<void> => {
        // Without `#repo`: it may have no URL any more.
        const place = this.#placeOf(checked);
        refuseStuck(place, 'free');
        this.#repos.delete(keyOfRepo(checked));
        await removeRepo(place, this.#upkeep);
      };
      await this.#locked([checked], free, undefined);
    });
  }

  /**
   * Removes the ref of a merge result; git removes its objects later. Does nothing if the repository is gone. Rejects
   * with a GitError or the reason of `signal`.
   */
  async release(name: RepoName, ref: string, signal?: AbortSignal): Promise<void> {
    return outsideSections('release of a RepoCache', async () => {
      const checked = checkRepoName(name);
      // Without `#repo`: it may have no URL any more, and needs none.
      const release = async (): Promise<void> =>
        (this.#repos.get(keyOfRepo(checked)) ?? this.#copyOf(checked, '')).release(ref, signal);
      return this.#locked([checked], release, signal);
    });
  }

  /** The URL from which others fetch the copy. */
  urlHere(name: RepoName): string {
    const checked = checkRepoName(name);
    const { servedAt } = this.#settings;
    if (servedAt !== undefined) return servedAt(checked.connection, checked.project);
    return pathToFileURL(`${this.#placeOf(checked)}.git`).href;
  }

  /**
   * Takes the directory for this process, as the first use would. Rejects with an ExecutorError (`ERR_CACHE_IN_USE`), and
   * as the file system does.
   * @internal
   */
  async claim(): Promise<void> {
    await this.#folder.use(this, this.#settings.log, async () => undefined);
  }

  /**
   * As `update`, for callers that hold the lock.
   * @internal
   */
  async updateLocked(name: RepoName, signal: AbortSignal): Promise<void> {
    await this.#folder.use(this, this.#settings.log, async () => {
      const repo = await this.#repo(name);
      await repo.fetch(signal);
    });
  }

  /**
   * Whether the refs and commits are here without an update.
   * @internal
   */
  async hasAll(name: RepoName, wanted: RefCommits, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.withRepo(name, async repo => repo.hasAll(wanted, signal), signal);
    } catch (error) {
      // An update repairs it.
      if (error instanceof GitError) return false;
      throw error;
    }
  }

  /**
   * Throws an ExecutorError (`ERR_NO_REPOSITORY`) if there is none, and a TypeError (`ERR_INVALID_ARG`) for an invalid one.
   * @internal
   */
  remoteUrl(name: RepoName): string {
    const url = this.#settings.urlOf(name.connection, name.project);
    if (url === undefined) {
      const { connection, project } = name;
      const what = `${keyOfRepo(name)} has no URL`;
      throw new ExecutorError('ERR_NO_REPOSITORY', what, { repository: { connection, project } });
    }
    return checkUrl(url);
  }

  /**
   * Runs `work` with the locks of all these repositories, in their order.
   * @internal
   */
  async withRepos<T>(
    names: readonly RepoName[],
    work: (repos: readonly CachedRepo[]) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const checked = names.map(name => checkRepoName(name));
    const doIt = async (): Promise<T> => work(await Promise.all(checked.map(async name => this.#repo(name))));
    return this.#locked(checked, doIt, signal);
  }

  /**
   * The same with one repository.
   * @internal
   */
  async withRepo<T>(name: RepoName, work: (repo: CachedRepo) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const checked = checkRepoName(name);
    return this.#locked([checked], async () => work(await this.#repo(checked)), signal);
  }

  async #locked<T>(names: readonly RepoName[], work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const run = async (): Promise<T> => this.#folder.use(this, this.#settings.log, work);
    return this.#folder.locks.run(names.map(this.repoLocks.lockOf), run, signal);
  }

  async #repo(name: RepoName): Promise<CachedRepo> {
    const key = keyOfRepo(name);
    const url = this.remoteUrl(name);
    const known = this.#repos.get(key);
    if (known?.url === url) return known;
    const repo = this.#copyOf(name, url);
    await makeWritable(dirname(repo.gitDir), this.#settings.log);
    this.#repos.set(key, repo);
    return repo;
  }

  #copyOf(name: RepoName, url: string): CachedRepo {
    const { log, keepMergesMs } = this.#settings;
    return new CachedRepo(name, this.#placeOf(name), url, {
      git: this.#git,
      log,
      keepMergesMs,
      upkeep: this.#upkeep,
    });
  }

  #placeOf(name: RepoName): string {
    return join(this.#settings.folder, folderOfRepo(name));
  }
}
