/**
 * Copies from drone to drone, by way of the controller and beside the drones' queues. `run` waits for them until its
 * deadline; copies under way by then go on, and a later `run` returns their outcome.
 */
import { copyBetweenDrones } from '../queue/copy-between-drones.js';
import { DroneError } from '../queue/drone/drone-error.js';
import { ERROR_KINDS } from '../queue/drone/error-kinds.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { Copy, FailedCopy } from './copy.js';
import { errorOf } from './drone-manager-error.js';
import type { Deadline } from '../wait/deadline.js';
import type { ManagedDrone } from './managed-drone.js';
import { Semaphore } from '../wait/semaphore.js';

const AT_ONCE = 8;

export class CopiesBetween {
  readonly #target: ManagedDrone;
  /** Copies; one that is in progress has the promise of its end, which never rejects. */
  readonly #copies = new Map<Copy, Promise<void> | undefined>();
  #failed: FailedCopy[] = [];

  constructor(target: ManagedDrone) {
    this.#target = target;
  }

  add(copy: Copy): void {
    this.#copies.set(copy, undefined);
  }

  get pending(): Copy[] {
    return [...this.#copies.keys()];
  }

  /** Skips copies that involve hosts in `away`, to which it adds. Returns those that failed for good since the last run. */
  async run(queue: TaskQueue, away: Set<string>, deadline: Deadline): Promise<FailedCopy[]> {
    // Copies under way come first, so that there are never more than the bound.
    const copies = this.pending.sort((a, b) => Number(this.#isUnderWay(b)) - Number(this.#isUnderWay(a)));
    const semaphore = new Semaphore(AT_ONCE);
    const run = async (copy: Copy): Promise<void> => {
      let end = this.#copies.get(copy);
      if (deadline.isOver || (!end && (away.has(copy.drone.hostname) || away.has(this.#target.hostname)))) return;
      end ??= this.#make(queue, copy, away);
      this.#copies.set(copy, end);
      await Promise.race([end, deadline.ended]);
    };
    await Promise.all(copies.map(copy => semaphore.run(() => run(copy))));
    return this.#failed.splice(0);
  }

  #isUnderWay(copy: Copy): boolean {
    return this.#copies.get(copy) !== undefined;
  }

  async #make(queue: TaskQueue, copy: Copy, away: Set<string>): Promise<void> {
    const { drone, source: path, destination } = copy;
    try {
      await copyBetweenDrones(queue, { drone, path }, { drone: this.#target, path: destination });
      this.#copies.delete(copy);
    } catch (thrown) {
      const error = errorOf(thrown);
      const failed = this.#missed(copy, error, away);
      if (failed) {
        this.#copies.delete(copy);
        this.#failed.push(failed);
      } else this.#copies.set(copy, undefined);
    }
  }

  #missed(copy: Copy, error: Error, away: Set<string>): FailedCopy | undefined {
    if (!(error instanceof DroneError) || error.kind === 'call') return copy.failed(error);
    if (ERROR_KINDS[error.kind].blames === 'drone') away.add(error.hostname);
    return copy.missed(error, error.mayHaveRun.length > 0 || error.call !== undefined);
  }
}
