/** A fixed number of worker threads, and the mapping of drones to threads. */
import { CrashLimit } from './crash-limit.js';
import type { Outgoing, Refused, Runner, RunnerEvents, StuckThread } from './runner.js';
import { ThreadHost } from './thread-host.js';
import type { ThreadSettings } from '../wire/messages.js';

export interface ThreadPoolOptions {
  readonly threads: number;
  readonly threadHeapMb: number | undefined;
  /** How long a thread may fail to answer before it is ended; Infinity for no limit. */
  readonly threadTimeoutMs: number;
}

interface Slot {
  /** Starts with the first drone routed to the slot, and again after its death. */
  host: ThreadHost | undefined;
  readonly crashLimit: CrashLimit;
}

export class ThreadPool implements Runner {
  readonly #settings: ThreadSettings;
  readonly #options: ThreadPoolOptions;
  readonly #events: RunnerEvents;
  readonly #slots: readonly Slot[];
  /** Dead and replaced threads that have not ended yet. */
  readonly #leaving = new Set<ThreadHost>();

  constructor(settings: ThreadSettings, options: ThreadPoolOptions, events: RunnerEvents) {
    this.#settings = settings;
    this.#options = options;
    this.#events = events;
    this.#slots = Array.from({ length: options.threads }, () => ({ host: undefined, crashLimit: new CrashLimit() }));
  }

  start(batches: readonly Outgoing[]): readonly (ThreadHost | Refused)[] {
    const placements = batches.map(batch => this.#place(batch));
    for (const placement of new Set(placements)) if (placement instanceof ThreadHost) placement.run();
    return placements;
  }

  async close(graceMs: number): Promise<readonly StuckThread[]> {
    const hosts = [...this.#leaving, ...this.#slots.flatMap(({ host }) => host ?? [])];
    const stuck = await Promise.all(hosts.map(host => host.close(graceMs)));
    return stuck.filter(thread => thread !== undefined);
  }

  #place(batch: Outgoing): ThreadHost | Refused {
    try {
      const host = this.place(batch.route);
      host.job.wholly(batch);
      return host;
    } catch (error) {
      return { refused: error };
    }
  }

  place(route: string): ThreadHost {
    const at = slotOf(route, this.#slots.length);
    const slot = this.#slots[at];
    if (slot === undefined) throw new RangeError(`there is no slot ${String(at)}`);
    if (slot.host?.dead === false) return slot.host;
    const refusal = slot.crashLimit.refusal(performance.now());
    if (refusal) throw refusal;
    if (slot.host) this.#awaitEnd(slot.host);
    slot.host = new ThreadHost(this.#settings, this.#options, {
      frames: this.#events.frames,
      died: cause => slot.crashLimit.note(cause, performance.now()),
      lost: this.#events.lost,
    });
    return slot.host;
  }

  #awaitEnd(host: ThreadHost): void {
    this.#leaving.add(host);
    void host.ended.then(() => this.#leaving.delete(host));
  }
}

/** FNV-1a: the same route always maps to the same thread, where its connections are warm. */
function slotOf(route: string, slots: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < route.length; at++) {
    hash = Math.imul(hash ^ route.charCodeAt(at), 0x01000193);
  }
  // The low bits alone collide for names that differ by a digit or two.
  return ((hash ^ (hash >>> 15)) >>> 0) % slots;
}
