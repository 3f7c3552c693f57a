/** Everything that a queue tells of its rounds: each fact in the log, as an event, and where it can be counted, as a metric. */
import type { Call } from '../drone/call.js';
import { type DroneError, summarize } from '../drone/drone-error.js';
import { events, publish } from '../events.js';
import { readF64 } from '../wire/frames.js';
import { type Log, safeLog } from '../../report/log.js';
import type { QueueSettings } from '../queue-options.js';
import type { LinkReport } from '../wire/messages.js';
import type { Batch } from './batch.js';
import { RoundStats } from './round-stats.js';
import type { Worker } from './worker.js';

export class Reports {
  /** The caller's, made safe. */
  readonly log: Log;
  readonly #queue: string;
  readonly #stats: RoundStats;

  constructor({ name, log, stats }: QueueSettings) {
    this.#queue = name;
    this.log = safeLog(log);
    this.#stats = new RoundStats(name, stats, this.log);
  }

  roundStarted(drones: number): void {
    this.#stats.startRound(drones);
    publish(events.roundStart, () => ({ queue: this.#queue, drones }));
  }

  /** All of its workers have settled, and somebody knows. */
  roundEnded(tookMs: number, results: number, failures: number): void {
    publish(events.roundEnd, () => ({ queue: this.#queue, tookMs, results, failures }));
  }

  /** The results were fetched or the failures told; harmless when they were before. */
  roundTold(): void {
    this.#stats.endRound();
  }

  workerStarted({ name: worker, drone: { hostname } }: Worker): void {
    this.log.debug(`worker ${worker} started`, { worker, hostname });
    publish(events.workerStart, () => ({ queue: this.#queue, worker, hostname }));
  }

  workerEnded({ name: worker, drone: { hostname }, tookMs, batch }: Worker): void {
    const { failure: error } = batch;
    this.#stats.finishWorker(hostname, tookMs, error?.kind);
    if (error) {
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
    this.#stats.slow();
    publish(events.workerSlow, () => ({ queue: this.#queue, ...facts, call }));
  }

  retrying({ drone: { hostname }, tries: attempts }: Batch, error: DroneError, delayMs: number): void {
    const facts = { hostname, attempts, delayMs, error };
    this.log.warn(`Drone ${hostname} is tried again in ${delayMs.toFixed(0)} ms: ${summarize(error)}`, facts);
    this.#stats.retry();
    publish(events.droneRetry, () => ({ queue: this.#queue, ...facts }));
  }

  /** `out`: how many drones are out now. */
  kickedOut(hostname: string, failures: number, error: DroneError, out: number): void {
    this.log.warn(`drone ${hostname} is kicked out: ${summarize(error)}`, { hostname, failures, error });
    this.#stats.kickOut(out);
    publish(events.droneKickedOut, () => ({ queue: this.#queue, hostname, failures, error }));
  }

  readmitted(hostname: string, since: Date, out: number): void {
    this.log.info(`drone ${hostname} is readmitted`, { hostname, since });
    this.#stats.readmission(out);
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
    this.#stats.loseThread();
    publish(events.threadLost, () => ({ queue: this.#queue, threadId, cause }));
  }

  close(): Promise<void> {
    return this.#stats.close();
  }
}
