/**
 * Copies from drone to drone, by way of the controller and beside the drones' queues. Whoever runs them waits for them up to
 * a limit; those under way by then go on, and what has become of them is told to whoever runs the others later.
 */
import { copyBetweenDrones } from '../queue/copy-between-drones.js';
import { DroneError } from '../queue/drone/drone-error.js';
import { ERROR_KINDS } from '../queue/drone/error-kinds.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { Copy, FailedCopy } from './copy.js';
import { errorOf } from './drone-manager-error.js';
import type { Limit } from '../wait/limit.js';
import type { ManagedDrone } from './managed-drone.js';
import { Line } from '../wait/line.js';

const AT_ONCE = 8;

export class CopiesBetween {
  readonly #target: ManagedDrone;
  /** Those under way with the promise of their end, which never rejects. */
  readonly #copies = new Map<Copy, Promise<void> | undefined>();
  #failed: FailedCopy[] = [];

  constructor(target: ManagedDrone) {
    this.#target = target;
  }

  add(copy: Copy): void {
    this.#copies.set(copy, undefined);
  }

  /** Those that are not made yet. */
  get pending(): Copy[] {
    return [...this.#copies.keys()];
  }

  /**
   * Leaves those that have to do with hosts that are `away`, or turn out to be. Gives those that have failed for good, since it
   * was asked last.
   */
  async run(queue: TaskQueue, away: Set<string>, limit: Limit): Promise<FailedCopy[]> {
    // Those under way come first, so that there are never more.
    const copies = this.pending.sort((a, b) => Number(this.#isUnderWay(b)) - Number(this.#isUnderWay(a)));
    const line = new Line(AT_ONCE);
    const run = async (copy: Copy): Promise<void> => {
      let end = this.#copies.get(copy);
      if (limit.isOver || (!end && (away.has(copy.drone.hostname) || away.has(this.#target.hostname)))) return;
      end ??= this.#make(queue, copy, away);
      this.#copies.set(copy, end);
      await Promise.race([end, limit.ended]);
    };
    await Promise.all(copies.map(copy => line.run(() => run(copy))));
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
