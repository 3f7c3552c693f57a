/**
 * Where results end up: a drone, or the controller itself. What is copied there from a drone is queued on that drone, where
 * the controller or one machine is all that is involved; from drone to drone it goes by way of the controller, once the
 * drones have run their calls.
 */
import { copyBetweenDrones } from '../copy-between-drones.js';
import type { Call } from '../drone/call.js';
import type { AnyDrone } from '../drone/drone.js';
import { LocalDrone } from '../drone/local-drone.js';
import { DroneError } from '../drone-error.js';
import { invalidArgument } from '../invalid-argument.js';
import type { TaskQueue } from '../task-queue.js';
import type { FileTransferResult } from '../utility.js';
import { errorOf } from './drone-manager-error.js';
import type { BatchOutcome } from './executions.js';
import type { ManagedDrone } from './managed-drone.js';
import { sideBySide } from './side-by-side.js';

/** A copy to the results repository that failed, and is not tried again. */
export interface FailedCopy {
  readonly hostname: string;
  readonly source: string;
  readonly destination: string;
  readonly error: Error;
}

interface Copy {
  readonly drone: ManagedDrone;
  readonly source: string;
  readonly destination: string;
}

/** Copies from drone to drone at once. */
const AT_ONCE = 8;

export class ResultsRepository {
  readonly drone: ManagedDrone;
  readonly #isController: boolean;
  /** Calls that fail by what they return. */
  readonly #transfers = new Map<Call<FileTransferResult>, Copy>();
  #between: Copy[] = [];

  /** Without a drone, the controller. */
  constructor(drone: ManagedDrone | undefined) {
    this.drone = drone ?? new LocalDrone();
    this.#isController = this.drone instanceof LocalDrone;
  }

  copyFrom(drone: ManagedDrone, source: string, destination: string): void {
    checkPath('source', source);
    checkPath('destination', destination);
    if (drone === this.drone || drone.hostname === this.drone.hostname) {
      drone.queueCall('copyFileOrDirectory', source, destination);
    } else if (this.#isController) {
      const method = source.endsWith('/') ? 'getDirectory' : 'getFile';
      // A file takes its place whole, so a transfer may run twice.
      const call = drone.with({ idempotent: true }).queueCall(method, source, destination, { canFail: true });
      this.#transfers.set(call, { drone, source, destination });
    } else {
      this.#between.push({ drone, source, destination });
    }
  }

  writeLines(drone: ManagedDrone, path: string, lines: readonly string[]): void {
    checkPath('path', path);
    if (!Array.isArray(lines) || lines.some(line => typeof line !== 'string')) {
      throw invalidArgument('lines', lines, 'a list of strings');
    }
    drone.queueCall('writeToFile', path, lines.map(line => `${line}\n`).join(''));
  }

  /** What a drone's batch says of copies that may fail. */
  settle({ drone, batch, values }: BatchOutcome): FailedCopy[] {
    const failed: FailedCopy[] = [];
    const queued = new Set(drone.getCalls());
    for (const [call, copy] of this.#transfers) {
      if (copy.drone !== drone || queued.has(call)) continue;
      this.#transfers.delete(call);
      const at = batch.indexOf(call);
      const { failure } = at >= 0 ? ((values[at] ?? {}) as Partial<FileTransferResult>) : {};
      if (failure) failed.push(failedCopy(copy, Object.assign(new Error(failure.message), { code: failure.code })));
    }
    return failed;
  }

  /**
   * Runs the copies from drone to drone. Those from drones that are `away`, or do not answer, are left for the next time.
   */
  async runCopies(queue: TaskQueue, away: ReadonlySet<AnyDrone>): Promise<FailedCopy[]> {
    const copies = this.#between.filter(({ drone }) => !away.has(drone));
    this.#between = this.#between.filter(({ drone }) => away.has(drone));
    const failed: FailedCopy[] = [];
    await sideBySide(copies, AT_ONCE, async copy => {
      const { drone, source: path, destination } = copy;
      try {
        await copyBetweenDrones(queue, { drone, path }, { drone: this.drone, path: destination });
      } catch (thrown) {
        const error = errorOf(thrown);
        if (error instanceof DroneError && error.kind !== 'call') this.#between.push(copy);
        else failed.push(failedCopy(copy, error));
      }
    });
    return failed;
  }
}

function failedCopy({ drone, source, destination }: Copy, error: Error): FailedCopy {
  return { hostname: drone.hostname, source, destination, error };
}

function checkPath(field: string, path: unknown): void {
  if (typeof path !== 'string' || path === '') throw invalidArgument(field, path, 'a non-empty string');
}
