/** Notices drones that take much longer than the others of their round. */
import { systemClock, type Timer } from '../../wait/clock.js';
import type { Worker } from './worker.js';

/** A drone is slow when it takes this many times as long as the others. */
const FACTOR = 3;
/** The share of the others that finished within the compared time. */
const SHARE = 0.95;
/** Never slow below this, however fast the others are. */
const LEAST_MS = 1000;
/** The share of the round that must have finished before drones are compared. */
const QUORUM = 0.5;
/** Fewer others say nothing about what is usual. */
const FEWEST_OTHERS = 3;

export class SlowWorkers {
  readonly #workers: readonly Worker[];
  readonly #report: (worker: Worker, othersMs: number) => void;
  readonly #reported = new Set<Worker>();
  readonly #tookMs: number[] = [];
  #unasked = 0;
  #timer: Timer | undefined;

  /** `report` gets each slow worker once, with the time of the others. */
  constructor(workers: readonly Worker[], report: (worker: Worker, othersMs: number) => void) {
    this.#workers = workers;
    this.#report = report;
  }

  /** Drones that were never contacted, such as kicked-out ones, are not compared. */
  finished(worker: Worker): void {
    if (worker.batch.wasAsked) this.#tookMs.push(worker.tookMs);
    else this.#unasked++;
    const asked = this.#workers.length - this.#unasked;
    if (this.#tookMs.length < Math.max(FEWEST_OTHERS, QUORUM * asked) || this.#tookMs.length === asked) return;
    this.#timer ??= systemClock.setTimer(LEAST_MS, this.#look);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  readonly #look = (): void => {
    const sorted = [...this.#tookMs].sort((a, b) => a - b);
    const othersMs = sorted[Math.ceil(SHARE * sorted.length) - 1] ?? 0;
    const limitMs = Math.max(FACTOR * othersMs, LEAST_MS);
    let nextMs = Infinity;
    for (const worker of this.#workers) {
      if (!worker.isBusy || this.#reported.has(worker)) continue;
      const leftMs = limitMs - worker.tookMs;
      if (leftMs > 0) {
        nextMs = Math.min(nextMs, leftMs);
        continue;
      }
      this.#reported.add(worker);
      this.#report(worker, othersMs);
    }
    // Workers may still have to start.
    const waits = this.#workers.some(({ batch }) => !batch.settled) && this.#reported.size < this.#workers.length;
    this.#timer = waits ? systemClock.setTimer(Math.min(nextMs, LEAST_MS), this.#look) : undefined;
  };
}
