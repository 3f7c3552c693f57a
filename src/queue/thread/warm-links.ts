/**
 * The links of a thread: found by key, pinged, and ended when nobody has used them for long, or when there are more
 * without work than may be.
 */
import type { ThreadSettings } from '../wire/messages.js';
import type { Link } from './link.js';

/** An agent ends itself after `linkSilenceMs` without a word; at least this often within that time it hears one. */
const PINGS_PER_SILENCE = 4;
/** How exactly the limit of idle time is kept. */
const LOOKS_PER_IDLE = 4;
/** Often enough for any limit, and a delay that setInterval takes. */
const RAREST_MS = 3_600_000;
/** How long an agent without work may take to end itself, ms. */
const FAREWELL_MS = 5000;

export class WarmLinks {
  readonly #settings: ThreadSettings;
  /** The one that was used last comes last. */
  readonly #links = new Map<string, Link>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[];

  constructor(settings: ThreadSettings) {
    this.#settings = settings;
    const { keepaliveIntervalMs, linkSilenceMs, maxIdleMs } = settings;
    this.#timers = [
      ...every(Math.min(linkSilenceMs / PINGS_PER_SILENCE, keepaliveIntervalMs), () => {
        for (const link of [...this.#links.values()]) link.ping();
      }),
      ...every(maxIdleMs / LOOKS_PER_IDLE, () => {
        for (const link of [...this.#links.values()]) if (link.idleMs > maxIdleMs) this.#end(link);
      }),
    ];
  }

  add(link: Link): void {
    this.#links.set(link.spec.key, link);
    this.trim();
  }

  /** Finds a link that is to get a batch. */
  use(key: string): Link | undefined {
    const link = this.#links.get(key);
    if (link === undefined) return undefined;
    this.#links.delete(key);
    this.#links.set(key, link);
    return link;
  }

  delete(link: Link): void {
    if (this.#links.get(link.spec.key) === link) this.#links.delete(link.spec.key);
  }

  /** Ends links without work, the one used longest ago first, until there are as many as may be. */
  trim(): void {
    let tooMany = this.#links.size - this.#settings.maxWarm;
    if (tooMany <= 0) return;
    for (const link of [...this.#links.values()]) {
      if (link.idleMs === 0) continue;
      this.#end(link);
      if (--tooMany === 0) return;
    }
  }

  /** Ends all, by force after `graceMs`, or after FAREWELL_MS where that is more. */
  async close(graceMs: number): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const forceMs = Math.max(graceMs, FAREWELL_MS);
    await Promise.all([...this.#leaving, ...[...this.#links.values()].map(link => link.close(forceMs))]);
  }

  #end(link: Link): void {
    const leaving = link.close(FAREWELL_MS).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }
}

function every(intervalMs: number, act: () => void): NodeJS.Timeout[] {
  return intervalMs === Infinity ? [] : [setInterval(act, Math.min(intervalMs, RAREST_MS)).unref()];
}
