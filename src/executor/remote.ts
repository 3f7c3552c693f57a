/** Where a repository of the cache comes from. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ExecutorError } from './executor-error.js';
import type { Git, GitAnswer, GitRun } from './git.js';
import { GitError, nameAbsence } from './git-error.js';
import { keyOfRepo, type RepoName, stripCredentials } from './repo-name.js';
import { gitDirOf } from './repo-parts.js';

/**
 * Without `--update-shallow`, git leaves out the branches of a remote that is a shallow clone, or whose history begins
 * later than it did, and reports success.
 */
export const FETCH = ['fetch', '--quiet', '--force', '--update-shallow', '--no-tags', '--no-write-fetch-head'];
/** With `+`, because branches move. Pruned first: `a` may have given way to `a/b`. */
const MIRROR = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
/** The commit of the remote's HEAD; and its default branch, a symbolic ref. */
export const HEAD = 'refs/origin/head';
const DEFAULT = 'refs/origin/default';
/** Where HEAD may mean several branches, and the server does not say which. */
const USUAL = ['refs/heads/main', 'refs/heads/master'];

export class Remote {
  readonly url: string;
  readonly #git: Git;
  readonly #of: { readonly place: string; readonly repository: RepoName };
  /** Undefined while it is not known what the copy has recorded. */
  #noted: string | null | undefined;
  #notedIn: string | undefined;

  constructor(url: string, git: Git, place: string, repository: RepoName) {
    this.url = url;
    this.#git = git;
    this.#of = { place, repository };
  }

  /** Sets branches and tags there to those of the remote. */
  async mirrorTo(gitDir: string, signal: AbortSignal | undefined): Promise<void> {
    // The remote may have more history by now.
    const deepen = isShallow(gitDir) ? ['--unshallow'] : [];
    const args = [`--git-dir=${gitDir}`, ...FETCH, ...deepen, '--prune', '--', this.url, ...MIRROR];
    const hasHead = await this.#hasHead(async () => this.run([...args, `+HEAD:${HEAD}`], signal));
    if (!hasHead) {
      await this.#refuseNothing(gitDir, signal);
      await this.run(args, signal);
    }
    await this.#noteDefault(gitDir, hasHead, signal);
  }

  /**
   * Git takes a web page that is empty, or has one line without an end, for a repository without refs: an update would
   * remove all branches of the copy. Throws an ExecutorError (`ERR_NO_REF`).
   */
  async #refuseNothing(gitDir: string, signal: AbortSignal | undefined): Promise<void> {
    if (!/^https?:/i.test(this.url)) return;
    const copy = gitDirOf(this.#of.place);
    // A new copy takes the place of one that may be damaged.
    if (!existsSync(copy) || (gitDir === copy && !(await this.#hasRefs(copy, signal)))) return;
    const { text } = await this.run(['ls-remote', '--heads', '--tags', '--', this.url], signal);
    if (text !== '') return;
    const { repository } = this.#of;
    const what = `${keyOfRepo(repository)} no longer has any branch, or ${stripCredentials(this.url)} is a web page`;
    throw new ExecutorError('ERR_NO_REF', `${what}; its copy stays as it was`, { repository, mayPass: true });
  }

  async #hasRefs(gitDir: string, signal: AbortSignal | undefined): Promise<boolean> {
    const args = ['for-each-ref', '--count=1', '--format=%(refname)', 'refs/heads', 'refs/tags'];
    const { text } = await this.#runGit([`--git-dir=${gitDir}`, ...args], { signal });
    return text !== '';
  }

  /**
   * Runs git that talks to it. Rejects with an ExecutorError (`ERR_NO_REPOSITORY`, `ERR_NO_REF`) for what the server
   * lacks.
   */
  async run(args: readonly string[], signal: AbortSignal | undefined, input?: string): Promise<GitAnswer> {
    try {
      return await this.#runGit(args, { isRemote: true, signal, ...(input === undefined ? {} : { input }) });
    } catch (error) {
      throw nameAbsence(error);
    }
  }

  /** False for an unborn HEAD, as in an empty repository. */
  async #hasHead(fetch: () => Promise<unknown>): Promise<boolean> {
    try {
      await fetch();
      return true;
    } catch (error) {
      if (error instanceof ExecutorError && / find remote ref HEAD$/m.test(error.message)) return false;
      throw error;
    }
  }

  async #noteDefault(gitDir: string, hasHead: boolean, signal: AbortSignal | undefined): Promise<void> {
    const branch = hasHead ? await this.#defaultIn(gitDir, signal) : null;
    if (branch === this.#noted && gitDir === this.#notedIn) return;
    if (!hasHead) await this.#runGit([`--git-dir=${gitDir}`, 'update-ref', '-d', HEAD], { signal });
    if (branch === null)
      await this.#runGit([`--git-dir=${gitDir}`, 'update-ref', '--no-deref', '-d', DEFAULT], { signal });
    else await this.#runGit([`--git-dir=${gitDir}`, 'symbolic-ref', DEFAULT, branch], { signal });
    this.#noted = branch;
    this.#notedIn = gitDir;
  }

  /** Asks the server only when several branches have the commit of HEAD. */
  async #defaultIn(gitDir: string, signal: AbortSignal | undefined): Promise<string | null> {
    const args = ['for-each-ref', `--points-at=${HEAD}`, '--format=%(refname)', 'refs/heads'];
    const { text } = await this.#runGit([`--git-dir=${gitDir}`, ...args], { signal });
    const branches = text === '' ? [] : text.split('\n');
    if (branches.length < 2) return branches[0] ?? null;
    const said = await this.#headAtServer(signal);
    if (said !== undefined && branches.includes(said)) return said;
    return USUAL.find(branch => branches.includes(branch)) ?? branches[0] ?? null;
  }

  async #headAtServer(signal: AbortSignal | undefined): Promise<string | undefined> {
    try {
      const { text } = await this.#runGit(['ls-remote', '--symref', '--', this.url, 'HEAD'], {
        isRemote: true,
        signal,
      });
      return /^ref: (\S+)\tHEAD$/m.exec(text)?.[1];
    } catch (error) {
      // The branches are up to date, which is what matters.
      if (error instanceof GitError) return this.#noted ?? undefined;
      throw error;
    }
  }

  async #runGit(args: readonly string[], run: GitRun): Promise<GitAnswer> {
    return this.#git.run(args, { ...run, ...this.#of });
  }
}

/** Arguments that print the remote's default branch as noted in its copy. */
export const READ_DEFAULT = ['symbolic-ref', '--quiet', DEFAULT];

/** Whether history is cut off there. */
export function isShallow(gitDir: string): boolean {
  return existsSync(join(gitDir, 'shallow'));
}
