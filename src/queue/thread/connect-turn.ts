/** Turns to connect: too many handshakes at once would block the thread's loop. */
import type { Semaphore } from '../../wait/semaphore.js';
import type { Pause } from '../transport/transport.js';

/** Runs `work` in its turn. Calls `onWait` at the start and at each pause. Rejects as `work` does, or when `signal` aborts. */
export async function inTurn<T>(
  turns: Semaphore,
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
