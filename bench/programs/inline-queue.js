// Our own way without threads, but side by side: DroneTaskQueue would take one drone after another.
import { InlineRunner } from '../../dist/queue/thread/inline-runner.js';
import { KickOut } from '../../dist/queue/round/kick-out.js';
import { Ledger } from '../../dist/queue/round/ledger.js';
import { Probes } from '../../dist/queue/round/probes.js';
import { Reports } from '../../dist/queue/round/reports.js';
import { Rounds } from '../../dist/queue/round/rounds.js';
import { Threads } from '../../dist/queue/round/threads.js';
import { readQueueOptions, threadSettings } from '../../dist/queue/queue-options.js';

/** @param {import('drone-task-queue').TaskQueueOptions} options */
export function openInlineQueue(options) {
  const settings = readQueueOptions(options, 'inline');
  /** @type {import('../../dist/queue/round/rounds.js').Order} */
  const sideBySide = async (workers, start) => {
    start(workers);
  };
  const reports = new Reports(settings);
  const threads = new Threads(reports, events => new InlineRunner(threadSettings(settings), events));
  const ledger = new Ledger(settings, threads, reports);
  const kickOut = new KickOut(settings, new Probes(threads), reports);
  return new Rounds(settings, sideBySide, { threads, ledger, kickOut, reports });
}
