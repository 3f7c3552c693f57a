/**
 * Whether an agent still answers. It is pinged at intervals and counts as dead after `keepaliveCount` unanswered pings in a
 * row. After a silence of more than an interval it is probed before anything is sent to it.
 */
import type { EndpointSpec, ThreadSettings } from '../wire/messages.js';

/** How long a silent agent may take to give a sign of life. */
const PROBE_MS = 5000;

/** An agent ends itself after a silence of `linkSilenceMs`; it gets at least this many pings in that time. */
const PINGS_PER_SILENCE = 4;

export interface LivenessEvents {
  /** Ping the agent. */
  ask(): void;
  /** A probed agent has answered. */
  alive(): void;
  /** It no longer answers. */
  dead(cause: Error): void;
}

export class Liveness {
  readonly #keepaliveIntervalMs: number;
  readonly #keepaliveCount: number;
  readonly #connectTimeoutMs: number;
  /** How often it is to be pinged; Infinity for never. */
  readonly pingEveryMs: number;
  readonly #events: LivenessEvents;
  #heardAtMs = 0;
  #unanswered = 0;
  #probe: NodeJS.Timeout | undefined;

  constructor(spec: EndpointSpec, settings: ThreadSettings, events: LivenessEvents) {
    this.#keepaliveIntervalMs = spec.keepaliveIntervalMs ?? settings.keepaliveIntervalMs;
    this.#keepaliveCount = spec.keepaliveCount ?? settings.keepaliveCount;
    this.#connectTimeoutMs = settings.connectTimeoutMs;
    this.pingEveryMs = Math.min(settings.linkSilenceMs / PINGS_PER_SILENCE, this.#keepaliveIntervalMs);
    this.#events = events;
  }

  /** It was silent for so long that a probe has to come first. */
  get isDoubtful(): boolean {
    return performance.now() - this.#heardAtMs > this.#keepaliveIntervalMs;
  }

  heard(): void {
    this.#heardAtMs = performance.now();
    this.#unanswered = 0;
    if (this.#probe === undefined) return;
    this.stop();
    this.#events.alive();
  }

  /** It still takes bytes, and a ping would wait behind them. */
  excuse(): void {
    this.#unanswered = 0;
  }

  ping(): void {
    if (this.#unanswered >= this.#keepaliveCount) {
      const pings = `${String(this.#keepaliveCount)} pings, ${String(this.#keepaliveIntervalMs)} ms apart`;
      this.#events.dead(new Error(`the agent has not answered ${pings}`));
      return;
    }
    this.#unanswered++;
    this.#events.ask();
  }

  probe(): void {
    const waitMs = Math.min(PROBE_MS, this.#connectTimeoutMs);
    this.#probe = setTimeout(
      () => this.#events.dead(new Error(`no sign of life within ${String(waitMs)} ms, after a silence`)),
      waitMs,
    );
    this.#events.ask();
  }

  stop(): void {
    clearTimeout(this.#probe);
    this.#probe = undefined;
  }
}
