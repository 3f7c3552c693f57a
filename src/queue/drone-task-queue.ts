/** The task queue without threads. */
import { InlineRunner } from './thread/inline-runner.js';
import { readOptions } from '../option/option-table.js';
import type { Order } from './round/rounds.js';
import { QueueBase } from './queue-base.js';
import { TASK_QUEUE, type TaskQueueOptions, threadSettings } from './queue-options.js';

const oneByOne: Order = async (workers, start) => {
  for (const worker of workers) {
    start([worker]);
    await worker.batch.done;
  }
};

/**
 * Runs one drone after another on the scheduler's own thread: for a few drones, or if worker threads are unavailable.
 * Rules, results and failures are those of ThreadedTaskQueue; after a failure, the next drone gets its turn. With
 * `wait: false`, `execute` resolves at the end of the round.
 */
export class DroneTaskQueue extends QueueBase {
  /** Throws a TypeError (`ERR_INVALID_ARG`) for options out of range. */
  constructor(options: TaskQueueOptions = {}) {
    const settings = readOptions(TASK_QUEUE, options);
    super(settings, oneByOne, events => new InlineRunner(threadSettings(settings), events));
  }
}
