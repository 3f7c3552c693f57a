/**
 * One repository of the cache: a bare one, whose branches and tags are those of its remote as of the last fetch, and a work
 * tree beside it for merges, with HEAD on no branch.
 *
 * Whoever calls anything here has the repository's lock, and nobody else writes to it. So a lock file that is there when
 * a command begins was left by one that was killed; it is removed.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../report/log.js';
import type { Git, GitAnswer, GitRun } from './git.js';
import { cureFor, GitError } from './git-error.js';
import { forgetUnfinished, removeLocks } from './git-leftovers.js';
import { isStuck, refuseStuck } from './stuck-git.js';

/** Of the git folder and of the work tree. */
const ENDINGS = ['.git', '.tree'] as const;

/** Below it are those refs that are not the remote's. */
const OWN_REFS = 'refs/drone';
const RESULT_REFS = `${OWN_REFS}/merges`;
const CHANGE_REF = `${OWN_REFS}/change`;
/** Moved and force-pushed ones too. Removed first if they are gone there: `a` may have given way to `a/b`. */
const MIRROR = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
const FETCH = ['fetch', '--quiet', '--force', '--no-tags', '--no-write-fetch-head'];

/** Garbage is not to be looked for at each update. */
const TIDY_EVERY_MS = 3_600_000;

/** Ignored files too, and repositories within. */
const CLEAN = ['clean', '--quiet', '-ffdx'];

/** Commits of refs, by the refs' whole names. */
export type RefCommits = Readonly<Record<string, string>>;

export class CachedRepo {
  readonly url: string;
  readonly gitDir: string;
  readonly #folder: string;
  readonly #workTree: string;
  readonly #git: Git;
  readonly #log: Log;
  readonly #keepMergesMs: number;
  #isOpen = false;
  #tidiedMs = -Infinity;

  constructor(folder: string, url: string, git: Git, log: Log, keepMergesMs: number) {
    const [ofGit, ofTree] = ENDINGS;
    this.#folder = folder;
    this.gitDir = `${folder}${ofGit}`;
    this.#workTree = `${folder}${ofTree}`;
    this.url = url;
    this.#git = git;
    this.#log = log;
    this.#keepMergesMs = keepMergesMs;
  }

  /** Makes it, with all that its remote has, when it is not there or cannot be used. Gives whether it was made. */
  async open(signal?: AbortSignal): Promise<boolean> {
    if (this.#isOpen) return false;
    await this.unlock();
    try {
      await this.#run(['rev-parse', '--git-dir'], { signal });
    } catch (error) {
      if (cureFor(error) !== 'rebuild') throw error;
      await this.rebuild(signal);
      return true;
    }
    this.#isOpen = true;
    return false;
  }

  /** Takes over branches and tags of the remote, those that are gone among them. */
  async fetch(signal?: AbortSignal): Promise<void> {
    if (await this.open(signal)) return;
    await this.curing(async () => this.#fetchInto(this.gitDir, signal), signal);
    await this.#tidy(signal);
  }

  /** Does `work`; when it fails as it would for lock files or damage here, removes these and does it once more. */
  async curing<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(await this.cure(error, signal))) throw error;
      return work();
    }
  }

  /** After a command that failed: removes lock files and, where it was for damage here, that. Gives whether it was. */
  async cure(error: unknown, signal?: AbortSignal): Promise<boolean> {
    await this.unlock();
    const cure = cureFor(error);
    if (cure === undefined) return false;
    this.#log.warn('a repository of the cache is mended', { gitDir: this.gitDir, cure, error });
    if (cure === 'rebuild') await this.rebuild(signal);
    // Made anew by the next checkout.
    else await rm(join(this.gitDir, 'index'), { force: true });
    return true;
  }

  /** Makes it anew, and then puts it in the place of the one that is there. Merge results are kept if they can be read. */
  async rebuild(signal?: AbortSignal): Promise<void> {
    const fresh = `${this.gitDir}.new`;
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh, { recursive: true });
    try {
      await this.#runGit(['init', '--quiet', '--bare', '--template=', '--', fresh], { signal });
      await this.#fetchInto(fresh, signal);
      await this.#keepResults(fresh, signal);
    } catch (error) {
      if (!isStuck(this.#folder)) await rm(fresh, { recursive: true, force: true });
      throw error;
    }
    await removeRepo(this.#folder);
    await rename(fresh, this.gitDir);
    this.#isOpen = true;
  }

  /** All branches and tags. */
  async refs(signal?: AbortSignal): Promise<RefCommits> {
    const args = ['for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads', 'refs/tags'];
    const { text } = await this.#run(args, { signal });
    return Object.fromEntries(text === '' ? [] : text.split('\n').map(line => line.split(' ') as [string, string]));
  }

  /** Whether the commit is here. */
  async has(commit: string, signal?: AbortSignal): Promise<boolean> {
    const { exitCode } = await this.#run(['cat-file', '-e', `${commit}^{commit}`], { orStatus: 128, signal });
    return exitCode === 0;
  }

  /** Whether these refs and commits are here, so that nothing has to be fetched to have them. */
  async hasAll(wanted: RefCommits, signal?: AbortSignal): Promise<boolean> {
    refuseStuck(this.#folder, 'for-each-ref');
    if (!existsSync(this.gitDir)) return false;
    await this.open(signal);
    const refs = await this.refs(signal);
    // A commit that is here does not do without its branch: a new branch may begin at an old commit.
    if (Object.keys(wanted).some(ref => !Object.hasOwn(refs, ref))) return false;
    const input = Object.values(wanted).map(commit => `${commit}\n`);
    const { text } = await this.#run(['cat-file', '--batch-check'], { input: input.join(''), signal });
    return text.split('\n').every(line => / commit \d+$/.test(line));
  }

  /** The commit of a ref or a commit of the remote, which is brought here. */
  async fetchCommit(ref: string, signal?: AbortSignal): Promise<string> {
    const args = [...FETCH, '--', this.url, `+${ref}:${CHANGE_REF}`];
    await this.#run(args, { isRemote: true, signal });
    const { text } = await this.#run(['rev-parse', '--verify', '--end-of-options', `${CHANGE_REF}^{commit}`], {
      signal,
    });
    return text;
  }

  /** Puts HEAD and the work tree there; whatever else was in it is gone. */
  async reset(commit: string, signal?: AbortSignal): Promise<void> {
    await mkdir(this.#workTree, { recursive: true });
    await forgetUnfinished(this.gitDir);
    await this.inTree(['checkout', '--quiet', '--force', '--detach', commit], { signal });
    await this.inTree(CLEAN, { signal });
  }

  /** Takes away what a merge that did not end has left. Without a signal: it is called when that was aborted, too. */
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
      this.#log.warn('a work tree is made anew', { workTree: this.#workTree, error });
      await rm(this.#workTree, { recursive: true, force: true });
      await rm(join(this.gitDir, 'index'), { force: true });
    }
  }

  /** Runs git in the work tree. */
  async inTree(args: readonly string[], run: Omit<GitRun, 'cwd'> = {}): Promise<GitAnswer> {
    const where = [`--git-dir=${this.gitDir}`, `--work-tree=${this.#workTree}`];
    return this.#runGit([...where, ...args], { ...run, cwd: this.#workTree });
  }

  /** Runs git where no work tree is needed. */
  async inGitDir(args: readonly string[], run: Omit<GitRun, 'cwd'> = {}): Promise<GitAnswer> {
    return this.#run(args, run);
  }

  /** Without a work tree yet. On the same file system it shares its files. What was in the folder is gone. */
  async cloneTo(folder: string, signal?: AbortSignal): Promise<void> {
    await rm(folder, { recursive: true, force: true });
    const args = ['clone', '--quiet', '--local', '--no-checkout', '--template=', '--', this.gitDir, folder];
    await this.#runGit(args, { signal });
  }

  /** Runs git in a clone of it. */
  async inClone(folder: string, args: readonly string[], run: Omit<GitRun, 'cwd'> = {}): Promise<GitAnswer> {
    return this.#runGit(['-C', folder, ...args], run);
  }

  /** Leaves the commit under a ref of `newResultRef`, until `release`. */
  async keep(commit: string, ref: string, signal?: AbortSignal): Promise<void> {
    await this.#run(['update-ref', ref, commit], { signal });
  }

  /** The ref of a merge result goes. Nothing happens when it is gone already, with all the rest or not, or is none. */
  async release(ref: string, signal?: AbortSignal): Promise<void> {
    refuseStuck(this.#folder, 'update-ref');
    if (!ref.startsWith(`${RESULT_REFS}/`) || !existsSync(this.gitDir)) return;
    const remove = async (): Promise<unknown> => this.#run(['update-ref', '-d', ref], { signal });
    try {
      await remove();
    } catch (error) {
      // Nothing is made anew for a ref that is to go.
      if (cureFor(error) !== 'unlock') throw error;
      await this.unlock();
      await remove();
    }
  }

  /** As `release`, of a ref that nobody was told of: one that cannot be removed goes when it is old. */
  async discard(ref: string): Promise<void> {
    await this.#isDone(`a ref that nobody knows is still there: ${ref}`, async () => this.release(ref));
  }

  /** Removes what killed commands leave: lock files, and objects and packs that were being written. */
  async unlock(): Promise<void> {
    // They are still that one's.
    if (isStuck(this.#folder)) return;
    await removeLocks(this.gitDir);
  }

  async #run(args: readonly string[], run: Omit<GitRun, 'cwd'> = {}): Promise<GitAnswer> {
    return this.#runGit([`--git-dir=${this.gitDir}`, ...args], run);
  }

  async #runGit(args: readonly string[], run: GitRun): Promise<GitAnswer> {
    return this.#git.run(args, { ...run, place: this.#folder });
  }

  async #fetchInto(gitDir: string, signal: AbortSignal | undefined): Promise<void> {
    const args = [`--git-dir=${gitDir}`, ...FETCH, '--prune', '--', this.url, ...MIRROR];
    await this.#runGit(args, { isRemote: true, signal });
  }

  async #keepResults(fresh: string, signal: AbortSignal | undefined): Promise<void> {
    if (!existsSync(this.gitDir)) return;
    const isKept = async (refs: string): Promise<boolean> => {
      const args = [`--git-dir=${fresh}`, ...FETCH, '--', this.gitDir, `+${refs}:${refs}`];
      return this.#isDone(`merge results are not kept: ${refs}`, async () => this.#runGit(args, { signal }));
    };
    if (await isKept(`${RESULT_REFS}/*`)) return;
    // One that is damaged is not to take the others along.
    await this.#isDone('no merge result is kept', async () => {
      for (const ref of await this.#results(signal)) await isKept(ref);
    });
  }

  /** Now and then, after an update, which is none the worse for what fails here. */
  async #tidy(signal: AbortSignal | undefined): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#tidiedMs < TIDY_EVERY_MS) return;
    this.#tidiedMs = nowMs;
    const isDone = await this.#isDone('a repository of the cache could not be tidied', async () => {
      const oldest = Date.now() - this.#keepMergesMs;
      const old = (await this.#results(signal)).filter(ref => madeAtMs(ref) < oldest);
      const input = old.map(ref => `delete ${ref}\n`).join('');
      if (old.length > 0) await this.#run(['update-ref', '--stdin'], { input, signal });
      await this.#run(['gc', '--auto', '--quiet'], { signal });
    });
    if (!isDone) await this.unlock();
  }

  /** Refs of merge results. */
  async #results(signal: AbortSignal | undefined): Promise<string[]> {
    const { text } = await this.#run(['for-each-ref', '--format=%(refname)', RESULT_REFS], { signal });
    return text === '' ? [] : text.split('\n');
  }

  /** False, and a line in the log, when git fails at it. */
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

/** Names a merge result. */
export function newResultRef(): string {
  return `${RESULT_REFS}/${String(Date.now())}-${randomUUID()}`;
}

/** By the clock of who made it. */
function madeAtMs(ref: string): number {
  return Number.parseInt(ref.slice(RESULT_REFS.length + 1));
}

/** Takes it off the disk. */
export async function removeRepo(folder: string): Promise<void> {
  for (const ending of ENDINGS) await rm(`${folder}${ending}`, { recursive: true, force: true });
}
