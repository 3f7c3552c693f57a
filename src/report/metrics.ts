/** Metrics of one part of the package: what they are called, and that losing them costs nothing. */
import type { Log } from './log.js';
import { isClient, type MetricKind, ServerClient, type StatsClient, type StatsTarget } from './stats.js';
import { oneLine } from './untrusted-text.js';

/** Of a fleet that changes for months, say. */
const MAX_NAMES = 1000;

/**
 * Sends metrics under `drone_task_queue.<part>`; without a target, drops them. Nothing here throws or rejects. Of failures
 * of the sink, the first, the tenth, the hundredth and so on are logged: a dead server does not flood the log.
 *
 * Beyond 1000 distinct names, such as hostnames, a metric is `<what>.other`.
 */
export class Metrics {
  readonly #prefix: string;
  readonly #log: Log;
  readonly #client: StatsClient | undefined;
  readonly #names = new Map<string, Set<string>>();
  #failures = 0;
  #nextReport = 1;
  #closed: Promise<void> | undefined;

  constructor(part: string, target: StatsTarget | undefined, log: Log) {
    this.#prefix = metricName('drone_task_queue', part);
    this.#log = log;
    if (target !== undefined) this.#client = isClient(target) ? target : new ServerClient(target, this.#onFailure);
  }

  timing(what: string, ms: number, name?: string): void {
    this.#send('timing', what, name, ms);
  }

  /** Counts one more. */
  increment(what: string, name?: string): void {
    this.#send('increment', what, name, 1);
  }

  add(what: string, count: number): void {
    this.#send('increment', what, undefined, count);
  }

  gauge(what: string, level: number): void {
    this.#send('gauge', what, undefined, level);
  }

  /** Sends what is held back and closes a client that was made here; gives up after a second. Drops later metrics. */
  close(): Promise<void> {
    this.#closed ??= this.#client instanceof ServerClient ? this.#client.end() : Promise.resolve();
    return this.#closed;
  }

  #send(kind: MetricKind, what: string, name: string | undefined, value: number): void {
    if (this.#client === undefined || this.#closed !== undefined) return;
    try {
      const metric = name === undefined ? what : `${what}.${this.#bounded(what, name)}`;
      // Typed void, but an async method's promise would be nobody's, and its rejection the end of the process.
      const given: unknown = this.#client[kind](`${this.#prefix}.${metric}`, value);
      if (given instanceof Promise) given.catch(this.#onFailure);
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

const MAX_PART_CHARS = 100;

/**
 * A metric's name: the parts, joined by dots. In a part all but letters, digits, `_` and `-` becomes `_`, dots too, so
 * that a hostname is one part; a part is cut after 100 characters, and an empty one is `_`.
 */
export function metricName(...parts: string[]): string {
  return parts.map(part => part.slice(0, MAX_PART_CHARS).replace(/[^\w-]/g, '_') || '_').join('.');
}
