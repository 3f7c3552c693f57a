/** Everything that a queue tells of its rounds: each fact in the log, as an event, and where it can be counted, as a metric. */
import type { Call } from '../drone/call.js';
import { type DroneError, summarize } from '../drone/drone-error.js';
import { events, publish } from '../events.js';
import { readF64 } from '../wire/frames.js';
import { type Log, partLog } from '../../report/log.js';
import { Metrics } from '../../report/metrics.js';
import type { QueueSettings } from '../queue-options.js';
import type { LinkReport } from '../wire/messages.js';
import type { Batch } from './batch.js';
import type { Worker } from './worker.js';

/**
 * Metrics of a queue, all under `drone_task_queue.<queue name>`:
 *
 * - `round`: timer, from `execute` until the results are fetched or the failures are reported
 * - `worker.<hostname>`: timer, one drone's batch; beyond 1000 distinct hostnames `worker.other`
 * - `failures.<kind>`: counter
 * - `retries`, `slow`: counters, batches tried again and drones much slower than the others of their round
 * - `in_flight`: gauge, drones that have not finished
 * - `kick_outs`, `readmissions`: counters
 * - `kicked_out`: gauge, drones that are out
 * - `threads.lost`: counter, worker threads that died or were ended because they hung
 */
export class Reports {
  /** The queue's own; never throws. */
  readonly log: Log;
  readonly #queue: string;
  readonly #metrics: Metrics;
  #roundSinceMs: number | undefined;
  #inFlight = 0;

  constructor({ name, log, stats }: QueueSettings) {
    this.#queue = name;
    this.log = partLog(log, name, { queue: name });
    this.#metrics = new Metrics(name, stats, this.log);
  }

  roundStarted(drones: number): void {
    this.#roundSinceMs = performance.now();
    this.#setInFlight(drones);
    publish(events.roundStart, () => ({ queue: this.#queue, drones }));
  }

  /** All of its workers have settled, and somebody knows. */
  roundEnded(tookMs: number, results: number, failures: number): void {
    publish(events.roundEnd, () => ({ queue: this.#queue, tookMs, results, failures }));
  }

  /** The results were fetched or the failures told; harmless when they were before. */
  roundTold(): void {
    if (this.#roundSinceMs === undefined) return;
    this.#metrics.timing('round', performance.now() - this.#roundSinceMs);
    this.#roundSinceMs = undefined;
  }

  workerStarted({ name: worker, drone: { hostname } }: Worker): void {
    this.log.debug(`worker ${worker} started`, { worker, hostname });
    publish(events.workerStart, () => ({ queue: this.#queue, worker, hostname }));
  }

  workerEnded({ name: worker, drone: { hostname }, tookMs, batch }: Worker): void {
    const { failure: error } = batch;
    this.#setInFlight(-1);
    this.#metrics.timing('worker', tookMs, hostname);
    if (error) {
      this.#metrics.increment('failures', error.kind);
      this.log.error(`worker ${worker} raised ${summarize(error)}`, { worker, hostname, kind: error.kind, error });
      publish(events.workerException, () => ({ queue: this.#queue, worker, hostname, error }));
      return;
    }
    const calls = batch.calls.length;
    this.log.debug(`worker ${worker} finished`, { worker, hostname, tookMs, calls });
    publish(events.workerFinish, () => ({ queue: this.#queue, worker, hostname, tookMs, calls }));
  }

  /** `othersMs`: within what time 95 % of those that have finished did. */
  workerSlow({ name: worker, drone: { hostname }, phase, call, tookMs }: Worker, othersMs: number): void {
    const at = call === undefined || phase !== 'call' ? `phase ${phase}` : call.toString();
    const others = `95 % of the others took up to ${othersMs.toFixed(0)} ms`;
    const facts = { worker, hostname, phase, tookMs, othersMs };
    this.log.warn(`worker ${worker} is slow: ${tookMs.toFixed(0)} ms by now, in ${at}; ${others}`, facts);
    this.#metrics.increment('slow');
    publish(events.workerSlow, () => ({ queue: this.#queue, ...facts, call }));
  }

  retrying({ drone: { hostname }, tries: attempts }: Batch, error: DroneError, delayMs: number): void {
    const facts = { hostname, attempts, delayMs, error };
    this.log.warn(`Drone ${hostname} is tried again in ${delayMs.toFixed(0)} ms: ${summarize(error)}`, facts);
    this.#metrics.increment('retries');
    publish(events.droneRetry, () => ({ queue: this.#queue, ...facts }));
  }

  /** `out`: how many drones are out now. */
  kickedOut(hostname: string, failures: number, error: DroneError, out: number): void {
    this.log.warn(`drone ${hostname} is kicked out: ${summarize(error)}`, { hostname, failures, error });
    this.#metrics.increment('kick_outs');
    this.#metrics.gauge('kicked_out', out);
    publish(events.droneKickedOut, () => ({ queue: this.#queue, hostname, failures, error }));
  }

  readmitted(hostname: string, since: Date, out: number): void {
    this.log.info(`drone ${hostname} is readmitted`, { hostname, since });
    this.#metrics.increment('readmissions');
    this.#metrics.gauge('kicked_out', out);
    publish(events.droneReadmitted, () => ({ queue: this.#queue, hostname, since }));
  }

  probeFailed(hostname: string, error: DroneError): void {
    this.log.debug(`a probe of drone ${hostname} failed: ${summarize(error)}`, { hostname });
  }

  droneWarning(hostname: string, message: string): void {
    this.log.warn(`Warning from drone ${hostname}: ${message}`, { hostname });
    publish(events.droneWarning, () => ({ queue: this.#queue, hostname, message }));
  }

  link(report: LinkReport): void {
    const { state, message, ...rest } = report;
    if (state === 'open') publish(events.linkOpen, () => ({ queue: this.#queue, ...rest }));
    else if (state === 'closed') publish(events.linkClose, () => ({ queue: this.#queue, ...rest }));
    else this.droneWarning(report.hostname, message ?? '');
  }

  /** `payload` is a Progress frame's. */
  fileProgress(hostname: string, call: Call | undefined, payload: Uint8Array): void {
    if (call === undefined) return;
    const bytes = readF64(payload, 0);
    const inAll = readF64(payload, 8);
    const totalBytes = Number.isNaN(inAll) ? undefined : inAll;
    publish(events.fileProgress, () => ({ queue: this.#queue, hostname, call, bytes, totalBytes }));
  }

  threadLost(threadId: number, cause: unknown): void {
    this.log.error(`worker thread ${String(threadId)} was lost: ${String(cause)}`, { threadId, error: cause });
    this.#metrics.increment('threads.lost');
    publish(events.threadLost, () => ({ queue: this.#queue, threadId, cause }));
  }

  close(): Promise<void> {
    return this.#metrics.close();
  }

  #setInFlight(more: number): void {
    this.#inFlight += more;
    this.#metrics.gauge('in_flight', this.#inFlight);
  }
}
