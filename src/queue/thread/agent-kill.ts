/** The end of an agent that does not answer, as its link asks for it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from '../transport/transport.js';

/**
 * How long after the kill grace an agent may take to say that the call is over, before it is held for dead. It needs up
 * to 700 ms itself; the rest is for the way there and back.
 */
export const ANSWER_MARGIN_MS = 3000;

/**
 * How long whoever waits for a batch of the agent also waits to learn whether it is gone. With the margin above it has
 * to stay below that of the main thread.
 */
const KNOWN_WITHIN_MS = 1500;

/**
 * Resolves to whether the agent and what it runs are known to be gone, or to undefined where its transport kills none; in
 * KNOWN_WITHIN_MS, while the kill may go on. `warn` gets why it failed, whenever that is.
 */
export async function killAgent(
  channel: Channel | undefined,
  pid: number | undefined,
  warn: (message: string) => void,
): Promise<boolean | undefined> {
  if (channel?.kill === undefined || pid === undefined) return undefined;
  const agent = `the agent (process ${String(pid)}) does not answer`;
  const killed = channel.kill(pid).then(
    isGone => {
      if (!isGone) warn(`${agent}, and is not known to be gone with all that it ran`);
      return isGone;
    },
    (error: unknown) => {
      warn(`${agent}, and could not be killed: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    },
  );
  const stop = new AbortController();
  const late = delay(KNOWN_WITHIN_MS, false, { signal: stop.signal }).catch(() => false); // aborted: no longer needed
  try {
    return await Promise.race([killed, late]);
  } finally {
    stop.abort();
  }
}
