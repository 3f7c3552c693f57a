/** A fixed number of worker threads, and which drone's batches run on which. */
import type { Outgoing, Place, Runner, RunnerEvents } from '../runner.js';
import { ThreadHost } from './thread-host.js';
import type { ThreadSettings } from '../wire.js';

export interface ThreadPoolOptions {
  readonly threads: number;
  readonly threadHeapMb: number | undefined;
}

export class ThreadPool implements Runner {
  readonly #settings: ThreadSettings;
  readonly #options: ThreadPoolOptions;
  readonly #events: RunnerEvents;
  /** Threads start when a drone is first routed to their slot, and again after their death. */
  readonly #hosts: (ThreadHost | undefined)[];
  /** Ends of dead threads that others have replaced. */
  readonly #ends = new Set<Promise<void>>();

  constructor(settings: ThreadSettings, options: ThreadPoolOptions, events: RunnerEvents) {
    this.#settings = settings;
    this.#options = options;
    this.#events = events;
    this.#hosts = new Array<ThreadHost | undefined>(options.threads).fill(undefined);
  }

  start(batches: readonly Outgoing[]): readonly Place[] {
    const places: ThreadHost[] = [];
    try {
      for (const batch of batches) {
        const host = this.place(batch.route);
        places.push(host);
        batch.write(host.job);
      }
    } catch (error) {
      // All of them are told not to have run, so that nothing of them may be left for the next job.
      for (const host of places) host.job.take();
      throw error;
    }
    for (const host of new Set(places)) host.run();
    return places;
  }

  place(route: string): ThreadHost {
    return this.#hostAt(slotOf(route, this.#hosts.length));
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.#ends, ...this.#hosts.flatMap(host => host?.close(graceMs) ?? [])]);
  }

  #hostAt(slot: number): ThreadHost {
    let host = this.#hosts[slot];
    if (host === undefined || host.dead) {
      if (host) this.#awaitEnd(host);
      host = new ThreadHost(this.#settings, this.#options.threadHeapMb, this.#events);
      this.#hosts[slot] = host;
    }
    return host;
  }

  #awaitEnd(host: ThreadHost): void {
    const end = host.close(0).finally(() => this.#ends.delete(end));
    this.#ends.add(end);
  }
}

/** FNV-1a: the same route always leads to the same thread, where its connections are warm. */
function slotOf(route: string, slots: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < route.length; at++) {
    hash = Math.imul(hash ^ route.charCodeAt(at), 0x01000193);
  }
  // Its low bits alone repeat for names that differ by a digit or two.
  return ((hash ^ (hash >>> 15)) >>> 0) % slots;
}
