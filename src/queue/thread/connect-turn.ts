/** Turns to connect: handshakes that all go on at once would block the thread's loop. */
import type { Line } from '../../wait/line.js';
import type { Pause } from '../transport/transport.js';

/**
 * Runs `work` in one of these turns. `onWait` is called at the start and with each pause. Rejects with the signal's reason
 * when that is aborted first, and with what `work` throws.
 */
export async function inTurn<T>(
  turns: Line,
  signal: AbortSignal,
  onWait: () => void,
  work: (pause: Pause) => Promise<T>,
): Promise<T> {
  let leave: (() => void) | undefined;
  const enter = async (): Promise<void> => {
    onWait();
    leave = await turns.enter(signal);
  };
  try {
    await enter();
    return await work(async wait => {
      leave?.();
      onWait();
      const value = await wait();
      await enter();
      return value;
    });
  } finally {
    leave?.();
  }
}
