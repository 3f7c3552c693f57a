/** How the queue of the soak is set: limits so short that faults run into each of them within seconds. */
import type { ThreadedTaskQueueOptions } from 'drone-task-queue';

/**
 * For the lead: `true` once `retry`, `kickOut` and `threadTimeoutMs` are options of the queue; then write them into QUEUE
 * and let this constant and the cast go.
 */
const HAS_RETRY_AND_KICK_OUT = false;

const RETRY_ATTEMPTS = 3;

const LATER_OPTIONS = {
  retry: { attempts: RETRY_ATTEMPTS, backoffMs: 100, jitter: 0.5 },
  kickOut: { afterFailures: 3, probeEveryMs: 1000 },
  threadTimeoutMs: 8000,
};

/** Within a round an idempotent call is sent so often at most: as retries say, and at least once more when it was lost. */
export const SENDS_PER_ROUND = HAS_RETRY_AND_KICK_OUT ? RETRY_ATTEMPTS : 2;

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
  ...(HAS_RETRY_AND_KICK_OUT ? (LATER_OPTIONS as object) : {}),
};

/** A round that has not ended by then never will: the deadline, what comes on top of it, and a slow machine. */
export const HANGS_AFTER_MS = 4 * ROUND_DEADLINE_MS;
