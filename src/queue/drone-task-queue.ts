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
 * Runs one drone after another, on the scheduler's own thread: for a handful of drones, or where worker threads are not
 * to be had. Same rules, same results, same failures as ThreadedTaskQueue; a failing drone does not keep the others from
 * their turn. With `wait: false` the round runs to its end before `execute` resolves.
 */
export class DroneTaskQueue extends QueueBase {
  /** Throws TypeError (`ERR_INVALID_ARG`) for options out of range. */
  constructor(options: TaskQueueOptions = {}) {
    const settings = readOptions(TASK_QUEUE, options);
    super(settings, oneByOne, events => new InlineRunner(threadSettings(settings), events));
  }
}
