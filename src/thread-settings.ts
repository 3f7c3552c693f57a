/** What worker threads are told of a queue's options. */
import type { QueueSettings } from './task-queue.js';
import type { ThreadSettings } from './wire.js';

/** SSH-level keepalive: a silent link is given up after 45 s. */
const KEEPALIVE = { keepaliveIntervalMs: 15_000, keepaliveCount: 3 };

/**
 * Connections being opened at once, per thread. All at once would block the thread's loop for 200 to 315 ms at 200
 * drones; 8 to 16 at once keep the throughput (measured with ssh2 1.17 on Node 20).
 */
const HANDSHAKE_WINDOW = 12;

export function threadSettings(settings: QueueSettings): ThreadSettings {
  const { connectTimeoutMs, killGraceMs, linkSilenceMs } = settings;
  return { connectTimeoutMs, killGraceMs, linkSilenceMs, ...KEEPALIVE, handshakeWindow: HANDSHAKE_WINDOW };
}
