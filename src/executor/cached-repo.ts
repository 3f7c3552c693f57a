/**
 * One repository of the cache: a bare mirror of its remote, and beside it a work tree for merges with a detached HEAD.
 *
 * Callers hold the repository's lock, and nothing else writes to it but a gc (Upkeep). So a lock file that exists when a
 * command begins was left by a killed one, and is removed.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../report/log.js';
import { brokenRefIn, Damage, makeReadable } from './damage.js';
import { isForeign, removeOrPutAside } from './foreign-owner.js';
import type { Git, GitAnswer, GitRun } from './git.js';
import { cureFor, GitError } from './git-error.js';
import { forgetUnfinished, removeLocks } from './git-leftovers.js';
import { expiredIn, RESULT_REFS } from './merge-results.js';
import { FETCH, isShallow, READ_DEFAULT, Remote } from './remote.js';
import type { RepoName } from './repo-name.js';
import { attributesOf, gitDirOf, partsOf, workTreeOf } from './repo-parts.js';
import { isStuck, refuseStuck } from './stuck-git.js';
import { convertNothing } from './unconverted.js';
import type { Upkeep } from './upkeep.js';

/** Refs of fetched changes, each kept while it is merged. */
const CHANGE_REFS = 'refs/drone/changes';
/** The ref that only this process uses. */
const CHANGE_REF = `${CHANGE_REFS}/${randomUUID()}`;
const TIDY_EVERY_MS = 3_600_000;
const ORIGIN_HEAD = 'refs/remotes/origin/HEAD';
/** A reflog would show the cache's directory to the job. */
const NO_REFLOGS = ['-c', 'core.logAllRefUpdates=false'];
/** Ignored files and nested repositories too. */
const CLEAN = ['clean', '--quiet', '-ffdx'];

/** Commits of refs, by the full names of the refs. */
export type RefCommits = Readonly<Record<string, string>>;

/** What the repositories of a cache share. */
interface CacheParts {
  readonly git: Git;
  readonly log: Log;
  readonly keepMergesMs: number;
  readonly upkeep: Upkeep;
}

export class CachedRepo {
  readonly name: RepoName;
  readonly #remote: Remote;
  readonly gitDir: string;
  readonly #folder: string;
  readonly #workTree: string;
  readonly #git: Git;
  readonly #log: Log;
  readonly #keepMergesMs: number;
  readonly #upkeep: Upkeep;
  readonly #damage: Damage;
  #isOpen = false;
  #tidiedMs = -Infinity;

  constructor(name: RepoName, folder: string, url: string, { git, log, keepMergesMs, upkeep }: CacheParts) {
    this.name = name;
    this.#folder = folder;
    this.gitDir = gitDirOf(folder);
    this.#workTree = workTreeOf(folder);
    this.#remote = new Remote(url, git, folder, name);
    this.#git = git;
    this.#log = log;
    this.#keepMergesMs = keepMergesMs;
    this.#upkeep = upkeep;
    this.#damage = new Damage(this.gitDir, async (args, run) => this.#run(args, run), log);
  }

  get url(): string {
    return this.#remote.url;
  }

  /** Whether its remote is a shallow clone. */
  get isShallow(): boolean {
    return isShallow(this.gitDir);
  }

  /** Clones it when it is missing or unusable. Returns whether it did. */
  async open(signal?: AbortSignal): Promise<boolean> {
    if (this.#isOpen) return false;
    await this.unlock();
    if (existsSync(this.gitDir)) {
      const why = (await isForeign(this.gitDir)) ? 'it belongs to another user' : await this.#damage.inRefs(signal);
      this.#isOpen = why === undefined;
      if (why !== undefined) this.#log.warn('recreating a repository of the cache', { gitDir: this.gitDir, why });
    }
    if (this.#isOpen) return false;
    await this.rebuild(signal);
    return true;
  }

  /** Sets branches and tags to those of the remote. */
  async fetch(signal?: AbortSignal): Promise<void> {
    if (await this.open(signal)) return;
    await this.curing(async () => this.#remote.mirrorTo(this.gitDir, signal), signal);
    await this.#tidy(signal);
  }

  /** Runs `work`; after a failure that lock files or damage here explain, removes these and runs it once more. */
  async curing<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(await this.cure(error, signal))) throw error;
      return work();
    }
  }

  /** Removes lock files and, where `error` shows damage, repairs it. Returns whether it did. */
  async cure(error: unknown, signal?: AbortSignal): Promise<boolean> {
    await this.unlock();
    const cure = cureFor(error) ?? ((await this.#damage.explains(error, signal)) ? 'rebuild' : undefined);
    if (cure === undefined) return false;
    this.#log.warn('repairing a repository of the cache', { gitDir: this.gitDir, cure, error });
    if (cure === 'rebuild') await this.rebuild(signal);
    // The next checkout makes it again.
    else await rm(join(this.gitDir, 'index'), { force: true });
    return true;
  }

  /** Clones it again, then replaces the old one. Keeps the merge results that can be read. */
  async rebuild(signal?: AbortSignal): Promise<void> {
    const fresh = `${this.gitDir}.new`;
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh, { recursive: true });
    try {
      await this.#runGit(['init', '--quiet', '--bare', '--template=', '--', fresh], { signal });
      await this.#remote.mirrorTo(fresh, signal);
      await this.#keepResults(fresh, signal);
    } catch (error) {
      if (!isStuck(this.#folder)) await rm(fresh, { recursive: true, force: true });
      throw error;
    }
    await this.#upkeep.end(this.gitDir);
    for (const part of partsOf(this.#folder)) await removeOrPutAside(part, this.#log);
    await rename(fresh, this.gitDir);
    this.#isOpen = true;
  }

  /** All branches and tags. */
  async refs(signal?: AbortSignal): Promise<RefCommits> {
    const args = ['for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads', 'refs/tags'];
    const { text, stderr } = await this.#run(args, { signal });
    const broken = brokenRefIn(stderr);
    if (broken !== undefined) throw new GitError('ERR_GIT_FAILED', 'for-each-ref', 'found damage', `fatal: ${broken}`);
    return Object.fromEntries(text === '' ? [] : text.split('\n').map(line => line.split(' ') as [string, string]));
  }

  /** Whether the commit is here. */
  async has(commit: string, signal?: AbortSignal): Promise<boolean> {
    const { exitCode } = await this.#run(['cat-file', '-e', `${commit}^{commit}`], { orStatus: 128, signal });
    return exitCode === 0;
  }

  /** Whether these refs and commits are here without a fetch. */
  async hasAll(wanted: RefCommits, signal?: AbortSignal): Promise<boolean> {
    refuseStuck(this.#folder, 'for-each-ref');
    if (!existsSync(this.gitDir)) return false;
    await this.open(signal);
    const refs = await this.refs(signal);
    // The commit alone is not enough: a new branch may begin at an old commit.
    if (Object.keys(wanted).some(ref => !Object.hasOwn(refs, ref))) return false;
    const input = Object.values(wanted).map(commit => `${commit}\n`);
    const { text } = await this.#run(['cat-file', '--batch-check'], { input: input.join(''), signal });
    // Of a tag with a message, the object of the tag.
    return text.split('\n').every(line => / (commit|tag) \d+$/.test(line));
  }

  /** Fetches a ref or a commit of the remote; returns the commit. */
  async fetchCommit(ref: string, signal?: AbortSignal): Promise<string> {
    const args = [...FETCH, '--', this.url, `+${ref}:${CHANGE_REF}`];
    await this.#remote.run([`--git-dir=${this.gitDir}`, ...args], signal);
    const { text } = await this.#run(['rev-parse', '--verify', '--end-of-options', `${CHANGE_REF}^{commit}`], {
      signal,
    });
    return text;
  }

  /** Whether git merges without a work tree; without one from then on. */
  async mergesTrees(signal?: AbortSignal): Promise<boolean> {
    if (!(await this.#git.isSince(2, 38, signal))) return false;
    await rm(this.#workTree, { recursive: true, force: true });
    return true;
  }

  /** For the `.gitattributes` of a commit. */
  get attributesFolder(): string {
    return attributesOf(this.#folder);
  }

  /** Moves HEAD and a clean work tree there. */
  async reset(commit: string, signal?: AbortSignal): Promise<void> {
    await mkdir(this.#workTree, { recursive: true });
    await forgetUnfinished(this.gitDir);
    await convertNothing(this.gitDir);
    await this.inTree(['checkout', '--quiet', '--force', '--detach', commit], { signal });
    await this.inTree(CLEAN, { signal });
  }

  /** Removes what an unfinished merge has left. Without a signal, because it also runs after an abort. */
  async abandon(): Promise<void> {
    if (isStuck(this.#folder)) return;
    await this.unlock();
    await forgetUnfinished(this.gitDir);
    if (!existsSync(this.gitDir)) return;
    try {
      await this.#run(['update-ref', '-d', CHANGE_REF]);
      if (!existsSync(this.#workTree)) return;
      await this.inTree(['reset', '--quiet', '--hard']);
      await this.inTree(CLEAN);
    } catch (error) {
      if (isStuck(this.#folder)) return;
      this.#log.warn('recreating a work tree', { workTree: this.#workTree, error });
      await rm(this.#workTree, { recursive: true, force: true });
      await rm(join(this.gitDir, 'index'), { force: true });
    }
  }

  /** Runs git in the work tree. */
  async inTree(args: readonly string[], run: Omit<GitRun, 'cwd'> = {}): Promise<GitAnswer> {
    return this.#run([`--work-tree=${this.#workTree}`, ...args], { ...run, cwd: this.#workTree });
  }

  /** Runs git where no work tree is needed. */
  async inGitDir(args: readonly string[], run: GitRun = {}): Promise<GitAnswer> {
    return this.#run(args, run);
  }

  /**
   * Replaces the directory with a clone without files yet. It shares nothing with the cache: a job that overwrites files in
   * place, or changes their modes, would reach the cache through hard links.
   */
  async cloneTo(folder: string, signal?: AbortSignal): Promise<void> {
    await rm(folder, { recursive: true, force: true });
    // A copy of the files could miss what a gc moves meanwhile.
    const how = this.#upkeep.isAt(this.gitDir) ? ['--no-local'] : ['--local', '--no-hardlinks'];
    const args = ['clone', '--quiet', ...how, '--no-checkout', '--template=', '--'];
    await this.#runGit([...NO_REFLOGS, ...args, this.gitDir, folder], { signal });
    const { text: branch } = await this.#run(READ_DEFAULT, { orStatus: 1, signal });
    // Git has guessed it by the copy's HEAD.
    if (branch === '') await this.inClone(folder, ['update-ref', '--no-deref', '-d', ORIGIN_HEAD], { signal });
    else await this.inClone(folder, ['symbolic-ref', ORIGIN_HEAD, inOrigin(branch)], { signal });
  }

  /** Runs git in a clone of it. */
  async inClone(folder: string, args: readonly string[], run: Omit<GitRun, 'cwd'> = {}): Promise<GitAnswer> {
    return this.#runGit(['-C', folder, ...args], run);
  }

  /** Fetches a ref of another repository into a clone of it. */
  async fetchToClone(folder: string, url: string, ref: string, signal?: AbortSignal): Promise<void> {
    const args = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--', url, ref];
    await this.#remote.run(['-C', folder, ...args], signal);
  }

  /** Keeps the commit under a ref of `newResultRef`, until `release`. */
  async keep(commit: string, ref: string, signal?: AbortSignal): Promise<void> {
    await this.#run(['update-ref', ref, commit], { signal });
  }

  /** Removes the ref of a merge result, if there is one. */
  async release(ref: string, signal?: AbortSignal): Promise<void> {
    refuseStuck(this.#folder, 'update-ref');
    if (!ref.startsWith(`${RESULT_REFS}/`) || !existsSync(this.gitDir)) return;
    const remove = async (): Promise<unknown> => this.#run(['update-ref', '-d', ref], { signal });
    try {
      await remove();
    } catch (error) {
      const cure = cureFor(error);
      if (cure === undefined || (cure === 'rebuild' && this.url === '')) throw error;
      await (cure === 'unlock' ? this.unlock() : this.rebuild(signal));
      await remove();
    }
  }

  /** As `release`, for a ref that no caller knows: one that cannot be removed is removed later, when it is old. */
  async discard(ref: string): Promise<void> {
    await this.#isDone(`an unknown ref still exists: ${ref}`, async () => this.release(ref));
  }

  /** Removes what killed commands leave: lock files, and objects and packs that were being written. */
  async unlock(): Promise<void> {
    // A stuck git still owns them.
    if (!isStuck(this.#folder)) await removeLocks(this.gitDir, this.#upkeep.isAt(this.gitDir));
  }

  async #run(args: readonly string[], run: GitRun = {}): Promise<GitAnswer> {
    return this.#runGit([`--git-dir=${this.gitDir}`, ...args], run);
  }

  async #runGit(args: readonly string[], run: GitRun): Promise<GitAnswer> {
    return this.#git.run(args, { ...run, place: this.#folder, repository: this.name });
  }

  async #keepResults(fresh: string, signal: AbortSignal | undefined): Promise<void> {
    if (!existsSync(this.gitDir)) return;
    await makeReadable(this.gitDir, fresh).catch(() => undefined); // of another user
    const isKept = async (refs: string): Promise<boolean> => {
      const args = [`--git-dir=${fresh}`, ...FETCH, '--', this.gitDir, `+${refs}:${refs}`];
      return this.#isDone(`merge results could not be kept: ${refs}`, async () => this.#runGit(args, { signal }));
    };
    if (await isKept(`${RESULT_REFS}/*`)) return;
    // One by one, so that a damaged one does not cost the others.
    await this.#isDone('no merge result could be kept', async () => {
      for (const ref of await this.#refsBelow(RESULT_REFS, signal)) await isKept(ref);
    });
  }

  /** Its failures do not fail the update before it. What may take long is left to a gc, which blocks nothing. */
  async #tidy(signal: AbortSignal | undefined): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#tidiedMs < TIDY_EVERY_MS || !this.#upkeep.mayBegin(this.gitDir)) return;
    this.#tidiedMs = nowMs;
    const isDone = await this.#isDone('a repository of the cache could not be tidied', async () => {
      const left = (await this.#refsBelow(CHANGE_REFS, signal)).filter(ref => ref !== CHANGE_REF);
      const old = [...expiredIn(await this.#refsBelow(RESULT_REFS, signal), this.#keepMergesMs), ...left];
      const input = old.map(ref => `delete ${ref}\n`).join('');
      if (old.length > 0) await this.#run(['update-ref', '--stdin'], { input, signal });
      await this.#run(['pack-refs', '--all', '--prune'], { signal });
    });
    if (!isDone) await this.unlock();
    else this.#upkeep.begin(this.gitDir, this.#folder, this.name);
  }

  async #refsBelow(prefix: string, signal: AbortSignal | undefined): Promise<string[]> {
    const { text } = await this.#run(['for-each-ref', '--format=%(refname)', prefix], { signal });
    return text === '' ? [] : text.split('\n');
  }

  /** False, with a log line, when git fails. */
  async #isDone(problem: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      this.#log.warn(problem, { gitDir: this.gitDir, error });
      return false;
    }
  }
}

function inOrigin(branch: string): string {
  return branch.replace(/^refs\/heads\//, 'refs/remotes/origin/');
}
