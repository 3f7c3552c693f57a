/** The record of one drone's batch in a round. */
import type { Batch } from './batch.js';
import type { Call } from '../drone/call.js';
import type { AnyDrone } from '../drone/drone.js';
import type { DroneWorker } from '../task-queue.js';
import type { Phase } from '../wire/messages.js';

export class Worker implements DroneWorker {
  readonly drone: AnyDrone;
  readonly name: string;
  readonly batch: Batch;
  readonly #threadIdOf: () => number;
  #startedAtMs: number | undefined;

  constructor(queueName: string, batch: Batch, threadIdOf: () => number) {
    this.batch = batch;
    this.drone = batch.drone;
    this.name = `${queueName}.${batch.drone.hostname.replaceAll('.', '_')}`;
    this.#threadIdOf = threadIdOf;
  }

  start(): void {
    this.#startedAtMs = performance.now();
  }

  get isBusy(): boolean {
    return this.#startedAtMs !== undefined && !this.batch.settled;
  }

  /** Since the start, ms; 0 before. */
  get tookMs(): number {
    return this.#startedAtMs === undefined ? 0 : performance.now() - this.#startedAtMs;
  }

  get phase(): Phase {
    return this.batch.phase;
  }

  get call(): Call | undefined {
    return this.batch.currentCall;
  }

  get inPhaseMs(): number {
    return performance.now() - this.batch.phaseSinceMs;
  }

  get threadId(): number {
    return this.#threadIdOf();
  }
}
