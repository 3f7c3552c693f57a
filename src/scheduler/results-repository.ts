/**
 * Collects results on a drone or on the controller. A copy within a drone or to the controller is a call in the drone's
 * queue; a copy from drone to drone goes by way of the controller, once the drones have run their calls.
 */
import type { Call } from '../queue/drone/call.js';
import { LocalDrone } from '../queue/drone/local-drone.js';
import { invalidArgument } from '../option/invalid-argument.js';
import type { FileTransferResult } from '../queue/wire/methods.js';
import { CopiesBetween } from './copies-between.js';
import { Copy, type FailedCopy, type PendingCopy } from './copy.js';
import { DroneManagerError } from './drone-manager-error.js';
import type { BatchOutcome } from './executions.js';
import type { ManagedDrone } from './managed-drone.js';
import { withdraw } from './withdraw.js';

export class ResultsRepository {
  readonly drone: ManagedDrone;
  readonly #isController: boolean;
  readonly between: CopiesBetween;
  /** Copies in the queues of drones. */
  readonly #queued = new Map<Call, Copy>();

  /** The default drone is the controller. */
  constructor(drone: ManagedDrone | undefined) {
    this.drone = drone ?? new LocalDrone();
    this.#isController = this.drone instanceof LocalDrone;
    this.between = new CopiesBetween(this.drone);
  }

  get pending(): PendingCopy[] {
    return [...this.#queued.values(), ...this.between.pending].map(({ pending }) => pending);
  }

  copyFrom(drone: ManagedDrone, source: string, destination: string): void {
    checkPath('source', source);
    checkPath('destination', destination);
    const copy = new Copy(drone, source, destination);
    if (drone === this.drone || drone.hostname === this.drone.hostname) {
      this.#queued.set(drone.queueCall('copyFileOrDirectory', source, destination), copy);
    } else if (this.#isController) {
      this.#fetch(copy, source.endsWith('/') ? 'getDirectory' : 'getFile');
    } else {
      this.between.add(copy);
    }
  }

  #fetch(copy: Copy, method: 'getFile' | 'getDirectory'): void {
    const { drone, source, destination } = copy;
    // A file is replaced as a whole, so a transfer may run twice.
    const call = drone.with({ idempotent: true }).queueCall(method, source, destination, { tolerateFailure: true });
    this.#queued.set(call, copy);
  }

  writeLines(drone: ManagedDrone, path: string, lines: readonly string[]): void {
    checkPath('path', path);
    if (!Array.isArray(lines) || lines.some(line => typeof line !== 'string')) {
      throw invalidArgument('lines', lines, 'a list of strings');
    }
    drone.with({ idempotent: false }).queueCall('appendToFile', path, lines.map(line => `${line}\n`).join(''));
  }

  /** Settles the copies of a drone's batch. Removes those that failed for good from its queue and returns them. */
  settle(outcome: BatchOutcome): FailedCopy[] {
    const { drone, batch } = outcome;
    const back = new Set(drone.getCalls());
    const failed: FailedCopy[] = [];
    const directories: Copy[] = [];
    for (const [call, copy] of this.#queued) {
      if (copy.drone !== drone || (back.has(call) && !batch.includes(call))) continue;
      if (call.method === 'getFile' && isDirectory(call, outcome)) {
        this.#queued.delete(call);
        directories.push(copy);
        continue;
      }
      const failure = back.has(call) ? missed(call, copy, outcome) : ended(call, copy, outcome);
      if (failure) failed.push(failure);
      else if (back.has(call)) continue;
      withdraw(drone, [call]);
      this.#queued.delete(call);
    }
    for (const copy of directories) this.#fetch(copy, 'getDirectory');
    return failed;
  }
}

/** The call is back in the queue. Every call sent may have run, but only the first without an answer was under way. */
function missed(call: Call, copy: Copy, { batch, values, failure }: BatchOutcome): FailedCopy | undefined {
  return failure && copy.missed(failure, batch[values.length] === call && failure.mayHaveRun.includes(call));
}

function ended(call: Call, copy: Copy, { batch, values, failure }: BatchOutcome): FailedCopy | undefined {
  const at = batch.indexOf(call);
  if (at < 0) {
    const message = `it is unknown whether ${copy.source} was copied: its call was run or cleared outside the manager`;
    return copy.failed(new DroneManagerError('ERR_COPY_TAKEN', message));
  }
  if (at >= values.length) return failure && copy.failed(failure);
  const { failure: reported } = (values[at] ?? {}) as Partial<FileTransferResult>;
  return reported && copy.failed(Object.assign(new Error(reported.message), { code: reported.code }));
}

/** Whether the drone has found the source of a `getFile` to be a directory. */
function isDirectory(call: Call, { batch, values }: BatchOutcome): boolean {
  const { failure } = (values[batch.indexOf(call)] ?? {}) as Partial<FileTransferResult>;
  return failure?.side === 'drone' && failure.code === 'EISDIR';
}

function checkPath(field: string, path: unknown): void {
  if (typeof path !== 'string' || path === '') throw invalidArgument(field, path, 'a non-empty string');
}
