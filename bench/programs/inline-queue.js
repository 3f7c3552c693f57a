// Our own way without threads, but side by side: DroneTaskQueue would take one drone after another.
import { InlineRunner } from '../../dist/queue/thread/inline-runner.js';
import { Rounds } from '../../dist/queue/round/rounds.js';
import { readQueueOptions, threadSettings } from '../../dist/queue/queue-options.js';

/** @param {import('drone-task-queue').TaskQueueOptions} options */
export function openInlineQueue(options) {
  const settings = readQueueOptions(options, 'inline');
  /** @type {import('../../dist/queue/round/rounds.js').Order} */
  const sideBySide = async (workers, start) => {
    start(workers);
  };
  return new Rounds(settings, sideBySide, events => new InlineRunner(threadSettings(settings), events));
}
