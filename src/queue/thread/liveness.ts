/**
 * Whether an agent still answers. It is pinged at intervals, and held for dead when so many pings in a row had no answer;
 * and when it was silent for longer than an interval, it is probed before something is sent to it.
 */
import type { ThreadSettings } from '../wire/messages.js';

/** How long a silent agent may take to give a sign of life. */
const PROBE_MS = 5000;

export interface LivenessEvents {
  /** Ask the agent for a sign of life. */
  ask(): void;
  /** A probed agent has given one. */
  alive(): void;
  /** It no longer answers. */
  dead(cause: Error): void;
}

export class Liveness {
  readonly #settings: ThreadSettings;
  readonly #events: LivenessEvents;
  #heardAtMs = 0;
  #unanswered = 0;
  #probe: NodeJS.Timeout | undefined;

  constructor(settings: ThreadSettings, events: LivenessEvents) {
    this.#settings = settings;
    this.#events = events;
  }

  /** It was silent for so long that nothing should be sent to it before it is probed. */
  get isDoubtful(): boolean {
    return performance.now() - this.#heardAtMs > this.#settings.keepaliveIntervalMs;
  }

  /** Something came from it. */
  heard(): void {
    this.#heardAtMs = performance.now();
    this.#unanswered = 0;
    if (this.#probe === undefined) return;
    this.stop();
    this.#events.alive();
  }

  /** It takes what is sent to it: a ping would only get in line behind that. */
  excuse(): void {
    this.#unanswered = 0;
  }

  ping(): void {
    const { keepaliveCount, keepaliveIntervalMs } = this.#settings;
    if (this.#unanswered >= keepaliveCount) {
      const pings = `${String(keepaliveCount)} pings, ${String(keepaliveIntervalMs)} ms apart`;
      this.#events.dead(new Error(`the agent has not answered ${pings}`));
      return;
    }
    this.#unanswered++;
    this.#events.ask();
  }

  probe(): void {
    const waitMs = Math.min(PROBE_MS, this.#settings.connectTimeoutMs);
    this.#probe = setTimeout(() => {
      this.#events.dead(new Error(`no sign of life within ${String(waitMs)} ms, after a silence`));
    }, waitMs);
    this.#events.ask();
  }

  stop(): void {
    clearTimeout(this.#probe);
    this.#probe = undefined;
  }
}
