/** The task queues that must pass the contract suite. */
import { DroneTaskQueue, type TaskQueueOptions, ThreadedTaskQueue } from 'drone-task-queue';

export type Queue = DroneTaskQueue | ThreadedTaskQueue;

/** Makes a task queue; its own name goes into the names of the tests. */
export type MakeQueue = (options?: TaskQueueOptions) => Queue;

function serial(options: TaskQueueOptions = {}): Queue {
  return new DroneTaskQueue(options);
}

/** Two threads, so that drones meet on one thread and are kept apart by two. */
function threaded(options: TaskQueueOptions = {}): Queue {
  return new ThreadedTaskQueue({ threads: 2, ...options });
}

export const queues: readonly MakeQueue[] = [serial, threaded];
