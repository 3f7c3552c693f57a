/** What worker threads are told of a queue's options. */
import type { QueueSettings } from '../task-queue.js';
import type { ThreadSettings } from '../wire/messages.js';

export function threadSettings(settings: QueueSettings): ThreadSettings {
  const { connectTimeoutMs, killGraceMs, linkSilenceMs, keepaliveIntervalMs, keepaliveCount } = settings;
  const { maxConnecting, maxConnectingPerAddress, maxIdleMs, maxWarm } = settings;
  return {
    connectTimeoutMs,
    killGraceMs,
    linkSilenceMs,
    keepaliveIntervalMs,
    keepaliveCount,
    maxConnecting,
    maxConnectingPerAddress,
    maxIdleMs,
    maxWarm,
  };
}
