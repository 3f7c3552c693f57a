// Our own way without threads, but side by side: DroneTaskQueue would take one drone after another.
import { InlineRunner } from '../dist/runner/inline-runner.js';
import { Rounds } from '../dist/round/rounds.js';
import { readQueueOptions } from '../dist/task-queue.js';
import { threadSettings } from '../dist/thread-settings.js';

/** @param {import('drone-task-queue').TaskQueueOptions} options */
export function openInlineQueue(options) {
  const settings = readQueueOptions(options, 'inline');
  /** @type {import('../dist/round/rounds.js').Order} */
  const sideBySide = async (workers, start) => {
    start(workers);
  };
  return new Rounds(settings, sideBySide, events => new InlineRunner(threadSettings(settings), events));
}
