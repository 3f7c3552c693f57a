/**
 * `drone-task-queue/executor`: git repositories kept on this machine, merged there, and cloned from there for jobs.
 */
export { DeduplicateQueue } from './deduplicate-queue.js';
