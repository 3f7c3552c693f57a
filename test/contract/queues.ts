/** The task queues that must pass the contract suite. */
import { DroneTaskQueue, type RoundsTaskQueue, type TaskQueueOptions, ThreadedTaskQueue } from 'drone-task-queue';

/** Makes a task queue; its own name goes into the names of the tests. */
export type MakeQueue = (options?: TaskQueueOptions) => RoundsTaskQueue;

function serial(options: TaskQueueOptions = {}): RoundsTaskQueue {
  return new DroneTaskQueue(options);
}

/** Two threads, so that drones meet on one thread and are kept apart by two. */
function threaded(options: TaskQueueOptions = {}): RoundsTaskQueue {
  return new ThreadedTaskQueue({ threads: 2, ...options });
}

export const queues: readonly MakeQueue[] = [serial, threaded];
