/** Updates of the cache's repositories: asked for by many, done once, by several workers, none of which waits at a lock. */
import { raceAbort } from '../wait/abort.js';
import { inNoSection } from '../wait/section-guard.js';
import { DeduplicateQueue, type ItemLocks } from './deduplicate-queue.js';
import { checkRepoName, keyOfRepo, type RepoName } from './repo-name.js';

/** Brings one up to date; if there are locks, it has its own then. */
export type Update = (name: RepoName, signal: AbortSignal) => Promise<void>;

export class Updates {
  readonly #queue: DeduplicateQueue<RepoName>;
  readonly #workers: readonly Promise<void>[];
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #onSize: (size: number) => void;
  /** Those who wait for one, jobs of the merger left out. */
  #waiting = 0;

  /** `onSize` is told how many wait, as often as that may have changed. */
  constructor(
    update: Update,
    workers: number,
    onSize: (size: number) => void = () => undefined,
    locks?: ItemLocks<RepoName>,
  ) {
    this.#queue = new DeduplicateQueue(keyOfRepo, locks);
    this.#onSize = onSize;
    const work = async (name: RepoName): Promise<void> => {
      onSize(this.#queue.size);
      await update(name, this.#stopping.signal);
    };
    // In a section they would stay in it.
    this.#workers = inNoSection(() => Array.from({ length: workers }, async () => this.#queue.run(work)));
  }

  /** Whether none waits and none runs, but for those of the merger's own jobs: these need not wait for each other. */
  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** As an update ends that begins after this call. Rejects with the reason of `signal`; the update goes on then. */
  async request(name: RepoName, signal: AbortSignal, asker: 'merger' | 'other' = 'other'): Promise<void> {
    signal.throwIfAborted();
    const checked = checkRepoName(name);
    const counts = asker === 'other' ? 1 : 0;
    this.#count(counts);
    const done = this.#queue.put(checked).finally(() => this.#count(-counts));
    this.#onSize(this.#queue.size);
    await raceAbort(signal, done);
  }

  /** All of them are asked for before the first one is awaited, and all have ended, or been let go, when it settles. */
  async requestAll(names: readonly RepoName[], signal: AbortSignal): Promise<void> {
    const ends = await Promise.allSettled(names.map(async name => this.request(name, signal)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  /** Calls it when `isIdle` has changed. Gives what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Rejects all who wait with `error`, ends what runs, and resolves when all workers have ended. */
  async stop(error: Error): Promise<void> {
    this.#queue.close(error);
    this.#stopping.abort(error);
    for (const _ of this.#workers) this.#queue.putStop();
    await Promise.all(this.#workers);
  }

  #count(more: number): void {
    const was = this.isIdle;
    this.#waiting += more;
    if (was !== this.isIdle) for (const listener of [...this.#listeners]) listener();
  }
}
