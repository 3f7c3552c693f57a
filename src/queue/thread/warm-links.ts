/** The links of a thread, by key: pings them, and ends those that are idle for too long or too many. */
import type { ThreadSettings } from '../wire/messages.js';
import type { Link } from './link.js';

/** Checks per `maxIdleMs`. */
const LOOKS_PER_IDLE = 4;
/** Within the range of setInterval. */
const RAREST_MS = 3_600_000;
/** Time for an agent without work to end itself, ms. */
const FAREWELL_MS = 5000;

export class WarmLinks {
  readonly #settings: ThreadSettings;
  /** The most recently used comes last. */
  readonly #links = new Map<string, Link>();
  readonly #leaving = new Set<Promise<void>>();
  /** Links by their ping interval. */
  readonly #pinged = new Map<number, { readonly links: Set<Link>; readonly timer: NodeJS.Timeout | undefined }>();
  readonly #idleTimer: NodeJS.Timeout | undefined;

  constructor(settings: ThreadSettings) {
    this.#settings = settings;
    const { maxIdleMs } = settings;
    this.#idleTimer = every(maxIdleMs / LOOKS_PER_IDLE, () => {
      for (const link of [...this.#links.values()]) if (link.idleMs > maxIdleMs) this.#end(link);
    });
  }

  add(link: Link): void {
    this.#links.set(link.spec.key, link);
    this.#startPings(link);
    this.trim();
  }

  /** Finds the link for a batch. */
  use(key: string): Link | undefined {
    const link = this.#links.get(key);
    if (link === undefined) return undefined;
    this.#links.delete(key);
    this.#links.set(key, link);
    return link;
  }

  delete(link: Link): void {
    if (this.#links.get(link.spec.key) === link) this.#links.delete(link.spec.key);
    this.#stopPings(link);
  }

  /** Ends idle links, least recently used first, down to `maxWarm`. */
  trim(): void {
    let tooMany = this.#links.size - this.#settings.maxWarm;
    if (tooMany <= 0) return;
    for (const link of [...this.#links.values()]) {
      if (link.idleMs === 0) continue;
      this.#end(link);
      if (--tooMany === 0) return;
    }
  }

  /** Ends all, by force after `graceMs` or FAREWELL_MS, whichever is longer. */
  async close(graceMs: number): Promise<void> {
    clearInterval(this.#idleTimer);
    for (const { timer } of this.#pinged.values()) clearInterval(timer);
    const forceMs = Math.max(graceMs, FAREWELL_MS);
    await Promise.all([...this.#leaving, ...[...this.#links.values()].map(link => link.close(forceMs))]);
  }

  #startPings(link: Link): void {
    const { pingEveryMs } = link;
    const known = this.#pinged.get(pingEveryMs);
    if (known) {
      known.links.add(link);
      return;
    }
    const links = new Set([link]);
    const timer = every(pingEveryMs, () => {
      for (const each of [...links]) each.ping();
    });
    this.#pinged.set(pingEveryMs, { links, timer });
  }

  #stopPings(link: Link): void {
    const pinged = this.#pinged.get(link.pingEveryMs);
    if (pinged?.links.delete(link) !== true || pinged.links.size > 0) return;
    clearInterval(pinged.timer);
    this.#pinged.delete(link.pingEveryMs);
  }

  #end(link: Link): void {
    const leaving = link.close(FAREWELL_MS).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }
}

function every(intervalMs: number, act: () => void): NodeJS.Timeout | undefined {
  return intervalMs === Infinity ? undefined : setInterval(act, Math.min(intervalMs, RAREST_MS)).unref();
}
