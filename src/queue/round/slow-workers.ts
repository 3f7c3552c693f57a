/** Notices drones that take much longer than the others of their round. */
import { systemClock, type Timer } from '../../wait/clock.js';
import type { Worker } from './worker.js';

/** So much longer than all but the slowest of the others, and a drone is slow. */
const FACTOR = 3;
/** The share of the others that were done by the time that is multiplied. */
const SHARE = 0.95;
/** What takes less is not worth a word, however fast the others are. */
const LEAST_MS = 1000;
/** The others can be spoken of once so many of the round have finished. */
const QUORUM = 0.5;

export class SlowWorkers {
  readonly #workers: readonly Worker[];
  readonly #tell: (worker: Worker, othersMs: number) => void;
  readonly #told = new Set<Worker>();
  readonly #tookMs: number[] = [];
  #unasked = 0;
  #timer: Timer | undefined;

  /** `tell` gets each slow worker once, with how long the others took. */
  constructor(workers: readonly Worker[], tell: (worker: Worker, othersMs: number) => void) {
    this.#workers = workers;
    this.#tell = tell;
  }

  /** Of a drone for which nothing was done, such as one that is kicked out, there is nothing to compare with. */
  finished(worker: Worker): void {
    if (worker.batch.wasAsked) this.#tookMs.push(worker.tookMs);
    else this.#unasked++;
    const asked = this.#workers.length - this.#unasked;
    if (this.#tookMs.length < QUORUM * asked || this.#tookMs.length === asked) return;
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
      if (!worker.isBusy || this.#told.has(worker)) continue;
      const leftMs = limitMs - worker.tookMs;
      if (leftMs > 0) {
        nextMs = Math.min(nextMs, leftMs);
        continue;
      }
      this.#told.add(worker);
      this.#tell(worker, othersMs);
    }
    // Of those still to start nothing is known yet.
    const waits = this.#workers.some(({ batch }) => !batch.settled) && this.#told.size < this.#workers.length;
    this.#timer = waits ? systemClock.setTimer(Math.min(nextMs, LEAST_MS), this.#look) : undefined;
  };
}
