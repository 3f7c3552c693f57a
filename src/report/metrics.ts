import type { Log } from './log.js';
import { isClient, type MetricKind, StatsdClient, type StatsTarget } from './metrics-target.js';
import { oneLine } from './untrusted-text.js';

/** Bounds the names of a fleet that changes for months. */
const MAX_NAMES = 1000;

/**
 * Sends metrics under `drone_task_queue.<part>`, and drops them without a target. No method throws or rejects: it logs the
 * first, tenth, hundredth (and so on) failure of the target. Beyond 1000 names, such as hostnames, a metric is `<what>.other`.
 */
export class Metrics {
  readonly #prefix: string;
  readonly #log: Log;
  readonly #statsd: StatsdClient | undefined;
  readonly #emit: ((kind: MetricKind, name: string, value: number) => unknown) | undefined;
  readonly #names = new Map<string, Set<string>>();
  #failures = 0;
  #nextReport = 1;
  #closed: Promise<void> | undefined;

  constructor(part: string, target: StatsTarget | undefined, log: Log) {
    this.#prefix = metricName('drone_task_queue', part);
    this.#log = log;
    if (target === undefined) return;
    if (isClient(target)) this.#emit = (kind, name, value) => target[kind](name, value);
    else this.#emit = (this.#statsd = new StatsdClient(target, this.#onFailure)).send;
  }

  timing(what: string, ms: number, name?: string): void {
    this.#send('timing', what, name, ms);
  }

  increment(what: string, name?: string): void {
    this.#send('increment', what, name, 1);
  }

  /** Sends nothing for 0. */
  add(what: string, count: number): void {
    if (count > 0) this.#send('increment', what, undefined, count);
  }

  gauge(what: string, level: number): void {
    this.#send('gauge', what, undefined, level);
  }

  /** Flushes and closes our own client, for at most a second. Drops later metrics. */
  close(): Promise<void> {
    this.#closed ??= this.#statsd?.end() ?? Promise.resolve();
    return this.#closed;
  }

  #send(kind: MetricKind, what: string, name: string | undefined, value: number): void {
    if (this.#emit === undefined || this.#closed !== undefined) return;
    try {
      const metric = name === undefined ? what : `${what}.${this.#bounded(what, name)}`;
      // Typed void, but an unhandled rejection of an async method would end the process.
      const returned = this.#emit(kind, `${this.#prefix}.${metric}`, rounded(value));
      if (returned instanceof Promise) returned.catch(this.#onFailure);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #bounded(what: string, name: string): string {
    let known = this.#names.get(what);
    if (known === undefined) this.#names.set(what, (known = new Set()));
    const part = metricName(name);
    if (!known.has(part)) {
      if (known.size >= MAX_NAMES) return 'other';
      known.add(part);
    }
    return part;
  }

  readonly #onFailure = (error: unknown): void => {
    this.#failures += 1;
    if (this.#failures < this.#nextReport) return;
    this.#nextReport *= 10;
    const reason = oneLine(error instanceof Error ? error.message : String(error));
    this.#log.warn(`metrics sink failing: ${reason}`, { problems: this.#failures, error });
  };
}

/** Rounds times to microseconds. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

const MAX_PART_CHARS = 100;

/**
 * Joins the parts with dots. In a part everything but letters, digits, `_` and `-` becomes `_`, dots too, so that a
 * hostname is one part. A part is cut after 100 characters; an empty one is `_`.
 */
export function metricName(...parts: string[]): string {
  return parts.map(part => part.slice(0, MAX_PART_CHARS).replace(/[^\w-]/g, '_') || '_').join('.');
}
