/** Turns to connect: handshakes that all go on at once would block the thread's loop. */
import type { Line } from '../../wait/line.js';
import type { Pause } from '../transport/transport.js';
import type { Phase } from '../wire/messages.js';

/**
 * Runs `work` in one of these turns. The phase is `waiting` until there is one, then `connect`. Rejects with the
 * signal's reason when that is aborted first, and with what `work` throws.
 */
export async function inTurn<T>(
  turns: Line,
  signal: AbortSignal,
  phase: (phase: Phase) => void,
  work: (pause: Pause) => Promise<T>,
): Promise<T> {
  let leave: (() => void) | undefined;
  const enter = async (): Promise<void> => {
    phase('waiting');
    leave = await turns.enter(signal);
    phase('connect');
  };
  try {
    await enter();
    return await work(async wait => {
      leave?.();
      phase('waiting');
      const value = await wait();
      await enter();
      return value;
    });
  } finally {
    leave?.();
  }
}
