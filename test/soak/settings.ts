/** How the queue of the soak is set: limits so short that faults run into each of them within seconds. */
import type { ThreadedTaskQueueOptions } from 'drone-task-queue';

const RETRY_ATTEMPTS = 3;

/** Within a round an idempotent call is sent so often at most. */
export const SENDS_PER_ROUND = RETRY_ATTEMPTS;

export const ROUND_DEADLINE_MS = 12_000;
export const LINK_SILENCE_MS = 15_000;

export const QUEUE: ThreadedTaskQueueOptions = {
  name: 'soak',
  threads: 3,
  connectTimeoutMs: 6000,
  callTimeoutMs: 8000,
  roundDeadlineMs: ROUND_DEADLINE_MS,
  killGraceMs: 500,
  linkSilenceMs: LINK_SILENCE_MS,
  keepaliveIntervalMs: 1500,
  keepaliveCount: 3,
  retry: { attempts: RETRY_ATTEMPTS, backoffMs: 100, jitter: 0.5 },
  kickOut: { afterFailures: 3, probeEveryMs: 1000 },
  threadTimeoutMs: 8000,
};

/** A round that has not ended by then never will: the deadline, what comes on top of it, and a slow machine. */
export const HANGS_AFTER_MS = 4 * ROUND_DEADLINE_MS;
