/** Reports the facts of a queue's rounds: in the log, as events, and as metrics where they can be counted. */
import type { Call, TransferProgress } from '../drone/call.js';
import type { AnyDrone } from '../drone/drone.js';
import { type DroneError, summarize } from '../drone/drone-error.js';
import { events, publish } from '../events.js';
import { type Log, partLog } from '../../report/log.js';
import { Metrics } from '../../report/metrics.js';
import type { QueueSettings } from '../queue-options.js';
import type { LinkReport } from '../wire/messages.js';
import type { Batch } from './batch.js';
import type { Worker } from './worker.js';

/**
 * Metrics of a queue, under `drone_task_queue.<queue>`:
 *
 * - `round` (timing): from `execute` until the caller has the results or failures.
 * - `worker.<hostname>` (timing): one drone's batch.
 * - `failures.<kind>` (counter): failed batches, by kind.
 * - `retries` (counter): batches that were retried.
 * - `slow` (counter): drones that took much longer than the others of their round.
 * - `in_flight` (gauge): drones that have not finished.
 * - `kick_outs` (counter): drones that were kicked out.
 * - `readmissions` (counter): drones that answered again.
 * - `kicked_out` (gauge): drones that are currently kicked out.
 * - `carried_over` (gauge): calls that the last round returned to their drones' queues.
 * - `threads.lost` (counter): worker threads that died, or were terminated because they hung.
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

  roundEnded(tookMs: number, results: number, failures: number, carriedOver: number): void {
    this.#metrics.gauge('carried_over', carriedOver);
    publish(events.roundEnd, () => ({ queue: this.#queue, tookMs, results, failures }));
  }

  /** The caller has the results or the failures. Repeating is harmless. */
  roundDelivered(): void {
    if (this.#roundSinceMs === undefined) return;
    this.#metrics.timing('round', performance.now() - this.#roundSinceMs);
    this.#roundSinceMs = undefined;
  }

  workerStarted({ name: worker, drone: { hostname } }: Worker): void {
    this.log.debug(`worker ${worker} started`, { worker, hostname });
    publish(events.workerStart, () => ({ queue: this.#queue, worker, hostname }));
  }

  /** `isOut`: its drone was kicked out for this failure, or earlier. */
  workerEnded({ name: worker, drone: { hostname }, tookMs, batch }: Worker, isOut: boolean): void {
    const { failure: error } = batch;
    this.#setInFlight(-1);
    this.#metrics.timing('worker', tookMs, hostname);
    if (error) {
      this.#metrics.increment('failures', error.kind);
      // That a drone was kicked out is logged once; its later rounds would repeat it.
      const level = isOut ? 'debug' : 'error';
      this.log[level](`worker ${worker} raised ${summarize(error)}`, { worker, hostname, kind: error.kind, error });
      publish(events.workerException, () => ({ queue: this.#queue, worker, hostname, error }));
      return;
    }
    const calls = batch.calls.length;
    this.log.debug(`worker ${worker} finished`, { worker, hostname, tookMs, calls });
    publish(events.workerFinish, () => ({ queue: this.#queue, worker, hostname, tookMs, calls }));
  }

  /** `othersMs`: the time within which 95 % of the finished drones finished. */
  workerSlow({ name: worker, drone: { hostname }, phase, call, tookMs }: Worker, othersMs: number): void {
    const at = call === undefined || phase !== 'call' ? `phase ${phase}` : call.toString();
    const others = `95 % of the others took up to ${othersMs.toFixed(0)} ms`;
    const facts = { worker, hostname, phase, tookMs, othersMs };
    this.log.warn(`worker ${worker} is slow: ${tookMs.toFixed(0)} ms so far, in ${at}; ${others}`, facts);
    this.#metrics.increment('slow');
    publish(events.workerSlow, () => ({ queue: this.#queue, ...facts, call }));
  }

  retrying({ drone: { hostname }, tries: attempts }: Batch, error: DroneError, delayMs: number): void {
    const facts = { hostname, attempts, delayMs, error };
    this.log.warn(`Drone ${hostname} will be retried in ${delayMs.toFixed(0)} ms: ${summarize(error)}`, facts);
    this.#metrics.increment('retries');
    publish(events.droneRetry, () => ({ queue: this.#queue, ...facts }));
  }

  /** `out`: how many drones are out now. */
  kickedOut(hostname: string, failures: number, error: DroneError, out: number): void {
    this.log.error(`drone ${hostname} is kicked out: ${summarize(error)}`, { hostname, failures, error });
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

  /** A round with `leftovers: 'drop'` did not reach the drone; its failure names calls only. */
  killsDropped({ hostname }: AnyDrone, kills: number): void {
    const what = kills === 1 ? 'the kill of a process that was' : `the kills of ${String(kills)} processes that were`;
    this.log.warn(`drone ${hostname}: dropped ${what} not sent`, { hostname, kills });
  }

  /** A drone's calls have gone back to its queue in this many rounds in a row. */
  carriesOver(drone: AnyDrone, rounds: number): void {
    const { hostname } = drone;
    const calls = drone.getCalls().length;
    const what = `drone ${hostname} has carried calls over for ${String(rounds)} rounds in a row, and ${String(calls)} are queued`;
    this.log.warn(`${what}: leftovers: 'drop' discards calls that did not run`, { hostname, rounds, calls });
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

  fileProgress(hostname: string, call: Call, progress: TransferProgress): void {
    publish(events.fileProgress, () => ({ queue: this.#queue, hostname, call, ...progress }));
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
