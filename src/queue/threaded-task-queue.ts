/** The task queue that runs a round's drones side by side, on worker threads. */
import { availableParallelism } from 'node:os';
import type { AnyDrone } from './drone/drone.js';
import { integer, number, text, timeLimit } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';
import type { Order } from './round/rounds.js';
import { QueueBase } from './queue-base.js';
import { offBeyondLongest, TASK_QUEUE, type TaskQueueOptions, threadSettings } from './queue-options.js';
import type { DroneWorker } from './task-queue.js';
import { ThreadPool } from './thread/thread-pool.js';

/** A thread carries hundreds of drones. */
const MAX_DEFAULT_THREADS = 4;

/** With less, threads do not start; with 2 MB or less, Node 24 ends the whole process. */
const MIN_HEAP_MB = 16;

/** Options of a ThreadedTaskQueue. */
export interface ThreadedTaskQueueOptions extends TaskQueueOptions {
  /** Worker threads, each with the warm connections of the drones routed to it. Default: one per core, at most 4. */
  threads?: number | undefined;
  /** Heap limit of a worker thread, MB (V8's old generation), at least 16. Default: Node's own. */
  threadHeapMb?: number | undefined;
  /**
   * How long a worker thread that has work or is starting may fail to answer before it is terminated, ms, give or take
   * a quarter; `Infinity` for no limit. Its drones fail with kind `worker-lost` and cause code `ERR_THREAD_HUNG`.
   * Default 10,000.
   */
  threadTimeoutMs?: number | undefined;
}

export const THREADED_TASK_QUEUE = {
  ...TASK_QUEUE,
  name: text().or('thread_queue'),
  threads: integer({ from: 1 }).orElse(`one per core, at most ${String(MAX_DEFAULT_THREADS)}`, () =>
    Math.min(availableParallelism(), MAX_DEFAULT_THREADS),
  ),
  threadHeapMb: number({ from: MIN_HEAP_MB }),
  threadTimeoutMs: timeLimit().or(10_000).as(offBeyondLongest),
} satisfies Table<ThreadedTaskQueueOptions>;

const sideBySide: Order = (workers, start) => {
  start(workers);
  return Promise.resolve();
};

/**
 * Runs all drones of a round side by side on worker threads, so that the scheduler's own event loop stays free.
 * Connections and agents stay warm in their thread between rounds, until `close`.
 *
 * An idle queue does not keep the process alive; a round in flight does.
 *
 * ```ts
 * const queue = new ThreadedTaskQueue({ name: 'refresh' });
 * const drone = new LocalDrone();
 * const uname = drone.queueCall('run', 'uname -a');
 * console.log(uname.valueIn(await queue.execute([drone])).stdout);
 * await queue.close();
 * ```
 */
export class ThreadedTaskQueue extends QueueBase {
  /** Throws a TypeError (`ERR_INVALID_ARG`) for options out of range. Threads start with the first round. */
  constructor(options: ThreadedTaskQueueOptions = {}) {
    const settings = readOptions(THREADED_TASK_QUEUE, options);
    const { threads, threadHeapMb, threadTimeoutMs } = settings;
    const poolOptions = { threads, threadHeapMb, threadTimeoutMs };
    super(settings, sideBySide, events => new ThreadPool(threadSettings(settings), poolOptions, events));
  }

  /** The thread map: the workers of the current round, until a caller has waited for them. */
  get droneThreads(): ReadonlyMap<AnyDrone, DroneWorker> {
    return this.rounds.droneThreads;
  }

  /** Workers that have not finished, with phase and time. */
  inFlight(): DroneWorker[] {
    return this.rounds.inFlight();
  }
}
