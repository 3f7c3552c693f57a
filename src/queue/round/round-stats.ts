/** What a queue measures: its rounds, its workers, its failures, and how many drones are in flight. */
import type { DroneErrorKind } from '../drone/error-kinds.js';
import type { Log } from '../../report/log.js';
import { BoundedNames, metricName, openStats, type Stats, type StatsTarget } from '../../report/stats.js';

/**
 * Metrics of a queue, all under `drone_task_queue.<queue name>`:
 *
 * - `round`: timer, from `execute` until the results are fetched or the failures told
 * - `worker.<hostname>`: timer, one drone's batch; beyond 1000 distinct hostnames `worker.other`
 * - `failures.<kind>`: counter
 * - `retries`, `slow`: counters, batches tried again and drones much slower than the others of their round
 * - `in_flight`: gauge, drones that have not finished
 * - `kick_outs`, `readmissions`: counters
 * - `kicked_out`: gauge, drones that are out
 * - `threads.lost`: counter, worker threads that died or were ended because they hung
 */
export class RoundStats {
  readonly #stats: Stats;
  readonly #prefix: string;
  readonly #hostnames = new BoundedNames();
  #roundSinceMs: number | undefined;
  #inFlight = 0;

  constructor(queueName: string, target: StatsTarget | undefined, log: Log) {
    this.#stats = openStats(target, (error, problems) => {
      log.warn(`metrics are being lost: ${String(error)}`, { problems });
    });
    this.#prefix = `drone_task_queue.${metricName(queueName)}`;
  }

  startRound(drones: number): void {
    this.#roundSinceMs = performance.now();
    this.#inFlight += drones;
    this.#stats.gauge(`${this.#prefix}.in_flight`, this.#inFlight);
  }

  finishWorker(hostname: string, tookMs: number, failure: DroneErrorKind | undefined): void {
    this.#inFlight--;
    this.#stats.gauge(`${this.#prefix}.in_flight`, this.#inFlight);
    this.#stats.timing(`${this.#prefix}.worker.${this.#hostnames.of(hostname)}`, tookMs);
    if (failure !== undefined) this.#stats.increment(`${this.#prefix}.failures.${metricName(failure)}`);
  }

  retry(): void {
    this.#stats.increment(`${this.#prefix}.retries`);
  }

  slow(): void {
    this.#stats.increment(`${this.#prefix}.slow`);
  }

  loseThread(): void {
    this.#stats.increment(`${this.#prefix}.threads.lost`);
  }

  /** Stops the round's timer; harmless when none runs. */
  endRound(): void {
    if (this.#roundSinceMs === undefined) return;
    this.#stats.timing(`${this.#prefix}.round`, performance.now() - this.#roundSinceMs);
    this.#roundSinceMs = undefined;
  }

  /** `out`: how many drones are out now. */
  kickOut(out: number): void {
    this.#stats.increment(`${this.#prefix}.kick_outs`);
    this.#stats.gauge(`${this.#prefix}.kicked_out`, out);
  }

  readmission(out: number): void {
    this.#stats.increment(`${this.#prefix}.readmissions`);
    this.#stats.gauge(`${this.#prefix}.kicked_out`, out);
  }

  close(): Promise<void> {
    return this.#stats.close();
  }
}
