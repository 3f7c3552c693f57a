/** Updates of the cache's repositories: equal requests share one; no worker waits for a lock. */
import { raceAbort } from '../wait/abort.js';
import { inNoSection } from '../wait/section-guard.js';
import { DeduplicateQueue, type ItemLocks } from './deduplicate-queue.js';
import { checkRepoName, keyOfRepo, type RepoName } from './repo-name.js';

/** Brings a repository up to date, whose lock is held if there are locks. */
export type Update = (name: RepoName, signal: AbortSignal) => Promise<void>;

export class Updates {
  readonly #queue: DeduplicateQueue<RepoName>;
  readonly #workers: readonly Promise<void>[];
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #onSize: (size: number) => void;
  /** Waiting requests, without those of the merger. */
  #waiting = 0;

  /** `onSize` gets the number of waiting updates whenever it may have changed. */
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
    // Otherwise they would stay in the section of the first caller.
    this.#workers = inNoSection(() => Array.from({ length: workers }, async () => this.#queue.run(work)));
  }

  /** Whether no update waits or runs, except for the merger's own jobs, which need not wait for each other. */
  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Settles with an update that begins after this call. Rejects with the reason of `signal`; the update goes on. */
  async request(name: RepoName, signal: AbortSignal, asker: 'merger' | 'other' = 'other'): Promise<void> {
    signal.throwIfAborted();
    const checked = checkRepoName(name);
    const counts = asker === 'other' ? 1 : 0;
    this.#count(counts);
    const done = this.#queue.put(checked).finally(() => this.#count(-counts));
    this.#onSize(this.#queue.size);
    await raceAbort(signal, done);
  }

  /** Requests all before it awaits the first, and settles after all. */
  async requestAll(names: readonly RepoName[], signal: AbortSignal): Promise<void> {
    const ends = await Promise.allSettled(names.map(async name => this.request(name, signal)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  /** Calls `listener` when `isIdle` changes. Returns a function that ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Rejects waiting requests with `error`, aborts running updates, and resolves when all workers have ended. */
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
