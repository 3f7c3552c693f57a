/**
 * `git gc` of the cache's repositories, in parallel with the work there: it may take hours for a big one, and git keeps
 * what other commands need meanwhile. So callers hold no lock of the repository, and respect that a gc may run there: its
 * files are not leftovers (`isAt`), and code that removes the repository ends the gc first (`end`).
 *
 * Invariants: one gc at a time in a cache. The next one begins only after ten times the duration of the last one.
 */
import type { Log } from '../report/log.js';
import { inNoSection } from '../wait/section-guard.js';
import type { Git } from './git.js';
import type { RepoName } from './repo-name.js';

/** A gc that takes longer hangs. */
const LIMIT_MS = 24 * 3_600_000;
const PAUSE_MS = 3_600_000;
/** Refs are packed under the lock, because packing locks each of them. */
const GC = ['-c', 'gc.packRefs=false', 'gc', '--auto', '--force', '--quiet'];

interface Running {
  readonly by: Upkeep;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** By git directory, because several caches of a process may share one directory. */
const running = new Map<string, Running>();

export class Upkeep {
  readonly #git: Git;
  readonly #log: Log;
  readonly #notBeforeMs = new Map<string, number>();

  constructor(git: Git, log: Log) {
    this.#git = git;
    this.#log = log;
  }

  isAt(gitDir: string): boolean {
    return running.has(gitDir);
  }

  /** Whether a gc may begin, which does nothing if there is little to do. */
  mayBegin(gitDir: string): boolean {
    if (running.has(gitDir) || [...running.values()].some(({ by }) => by === this)) return false;
    return performance.now() >= (this.#notBeforeMs.get(gitDir) ?? -Infinity);
  }

  /** Starts a gc and does not wait for it. The repository's lock is held at that moment, so that no clone is being made. */
  begin(gitDir: string, place: string, repository: RepoName): void {
    if (!this.mayBegin(gitDir)) return;
    const stop = new AbortController();
    const done = inNoSection(async () => this.#gc(gitDir, { place, repository, signal: stop.signal }));
    running.set(gitDir, { by: this, stop, done });
  }

  /** Ends the gc of a repository, or all that were begun here. */
  async end(gitDir?: string): Promise<void> {
    for (const [place, { by, stop, done }] of [...running]) {
      if (gitDir === undefined ? by !== this : gitDir !== place) continue;
      stop.abort(new Error('the gc is no longer needed'));
      await done;
    }
  }

  async #gc(gitDir: string, run: { place: string; repository: RepoName; signal: AbortSignal }): Promise<void> {
    const startMs = performance.now();
    try {
      await this.#git.run([`--git-dir=${gitDir}`, ...GC], { ...run, timeoutMs: LIMIT_MS });
    } catch (error) {
      if (!run.signal.aborted) this.#log.warn('a repository of the cache could not be tidied', { gitDir, error });
    } finally {
      const endMs = performance.now();
      this.#notBeforeMs.set(gitDir, endMs + Math.max(PAUSE_MS, 10 * (endMs - startMs)));
      running.delete(gitDir);
    }
  }
}
