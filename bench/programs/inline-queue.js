// Our own way without threads, but side by side: DroneTaskQueue would take one drone after another.
import { readOptions } from '../../dist/option/option-table.js';
import { InlineRunner } from '../../dist/queue/thread/inline-runner.js';
import { KickOut } from '../../dist/queue/round/kick-out.js';
import { Ledger } from '../../dist/queue/round/ledger.js';
import { Probes } from '../../dist/queue/round/probes.js';
import { Reports } from '../../dist/queue/round/reports.js';
import { Rounds } from '../../dist/queue/round/rounds.js';
import { Threads } from '../../dist/queue/round/threads.js';
import { TASK_QUEUE, threadSettings } from '../../dist/queue/queue-options.js';
import { ROUND } from '../../dist/queue/task-queue.js';

const CLOSE_GRACE_MS = 10_000;

/** @param {import('drone-task-queue').TaskQueueOptions} options */
export function openInlineQueue(options) {
  const settings = readOptions(TASK_QUEUE, { name: 'inline', ...options });
  /** @type {import('../../dist/queue/round/rounds.js').Order} */
  const sideBySide = async (workers, start) => {
    start(workers);
  };
  const reports = new Reports(settings);
  const threads = new Threads(reports, events => new InlineRunner(threadSettings(settings), events));
  const ledger = new Ledger(settings, threads, reports);
  const kickOut = new KickOut(settings, new Probes(threads), reports);
  const rounds = new Rounds(settings, sideBySide, { threads, ledger, kickOut, reports });
  return {
    /** @param {Iterable<import('drone-task-queue').AnyDrone>} drones */
    execute: drones => rounds.execute(drones, readOptions(ROUND, {})),
    close: () => rounds.close(CLOSE_GRACE_MS),
  };
}
