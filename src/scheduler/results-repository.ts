/**
 * Where results end up: a drone, or the controller itself. What is copied there from a drone is queued on that drone, where
 * the controller or one machine is all that is involved; from drone to drone it goes by way of the controller, once the
 * drones have run their calls.
 */
import type { Call } from '../queue/drone/call.js';
import { LocalDrone } from '../queue/drone/local-drone.js';
import { invalidArgument } from '../option/invalid-argument.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { FileTransferResult } from '../queue/wire/methods.js';
import { CopiesBetween } from './copies-between.js';
import { Copy, type FailedCopy, type PendingCopy } from './copy.js';
import { DroneManagerError } from './drone-manager-error.js';
import type { BatchOutcome } from './executions.js';
import type { Limit } from '../wait/limit.js';
import type { ManagedDrone } from './managed-drone.js';
import { withdraw } from './withdraw.js';

export class ResultsRepository {
  readonly drone: ManagedDrone;
  readonly #isController: boolean;
  /** In the queues of drones. */
  readonly #queued = new Map<Call, Copy>();
  readonly #between: CopiesBetween;

  /** Without a drone, the controller. */
  constructor(drone: ManagedDrone | undefined) {
    this.drone = drone ?? new LocalDrone();
    this.#isController = this.drone instanceof LocalDrone;
    this.#between = new CopiesBetween(this.drone);
  }

  /** Those that are still to be made, or under way. */
  get pending(): PendingCopy[] {
    return [...this.#queued.values(), ...this.#between.pending].map(({ pending }) => pending);
  }

  copyFrom(drone: ManagedDrone, source: string, destination: string): void {
    checkPath('source', source);
    checkPath('destination', destination);
    const copy = new Copy(drone, source, destination);
    if (drone === this.drone || drone.hostname === this.drone.hostname) {
      this.#queued.set(drone.queueCall('copyFileOrDirectory', source, destination), copy);
    } else if (this.#isController) {
      const method = source.endsWith('/') ? 'getDirectory' : 'getFile';
      // A file takes its place whole, so a transfer may run twice.
      const call = drone.with({ idempotent: true }).queueCall(method, source, destination, { tolerateFailure: true });
      this.#queued.set(call, copy);
    } else {
      this.#between.add(copy);
    }
  }

  writeLines(drone: ManagedDrone, path: string, lines: readonly string[]): void {
    checkPath('path', path);
    if (!Array.isArray(lines) || lines.some(line => typeof line !== 'string')) {
      throw invalidArgument('lines', lines, 'a list of strings');
    }
    drone.queueCall('writeToFile', path, lines.map(line => `${line}\n`).join(''));
  }

  /** What a drone's batch says of the copies in it. Those that have failed for good are not left in its queue. */
  settle(outcome: BatchOutcome): FailedCopy[] {
    const { drone, batch } = outcome;
    const back = new Set(drone.getCalls());
    const failed: FailedCopy[] = [];
    for (const [call, copy] of this.#queued) {
      if (copy.drone !== drone || (back.has(call) && !batch.includes(call))) continue;
      const failure = back.has(call) ? missed(call, copy, outcome) : ended(call, copy, outcome);
      if (failure) failed.push(failure);
      else if (back.has(call)) continue;
      withdraw(drone, [call]);
      this.#queued.delete(call);
    }
    return failed;
  }

  /** Runs the copies from drone to drone, and waits for them up to the limit; see {@link CopiesBetween}. */
  async runCopies(queue: TaskQueue, away: Set<string>, limit: Limit): Promise<FailedCopy[]> {
    return this.#between.run(queue, away, limit);
  }
}

/** It is back in the queue. All that were sent may have run, but only the first without an answer was under way. */
function missed(call: Call, copy: Copy, { batch, values, failure }: BatchOutcome): FailedCopy | undefined {
  return failure && copy.missed(failure, batch[values.length] === call && failure.mayHaveRun.includes(call));
}

function ended(call: Call, copy: Copy, { batch, values, failure }: BatchOutcome): FailedCopy | undefined {
  const at = batch.indexOf(call);
  if (at < 0) {
    const message = `whether ${copy.source} was copied is not known: its call was run, or cleared, by somebody else`;
    return copy.failed(new DroneManagerError('ERR_COPY_TAKEN', message));
  }
  if (at >= values.length) return failure && copy.failed(failure);
  const { failure: told } = (values[at] ?? {}) as Partial<FileTransferResult>;
  return told && copy.failed(Object.assign(new Error(told.message), { code: told.code }));
}

function checkPath(field: string, path: unknown): void {
  if (typeof path !== 'string' || path === '') throw invalidArgument(field, path, 'a non-empty string');
}
