/** Waits that an AbortSignal ends. Not on `events.addAbortListener`: the agent runs on Node 18.0, which has none. */
import { setMaxListeners } from 'node:events';

const stopNothing = (): void => undefined;

/** Calls `fn` with the reason once `signal` aborts, at once if it has aborted. Returns what stops listening. */
export function onAbort(signal: AbortSignal | undefined, fn: (reason: unknown) => void): () => void {
  if (signal === undefined) return stopNothing;
  if (signal.aborted) {
    fn(signal.reason);
    return stopNothing;
  }
  const listener = (): void => fn(signal.reason);
  // Many may wait with one signal: each stops listening when it waits no more, so that many are no leak.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/**
 * Settles as `work` does, or rejects with the reason of `signal` as soon as that aborts. After that, the failure of `work`
 * is ignored, and `discard` gets its value.
 */
export function raceAbort<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
  discard?: (late: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stopListening = onAbort(signal, reject);
    work.then(
      value => {
        stopListening();
        if (signal?.aborted === true) discard?.(value);
        else resolve(value);
      },
      (error: unknown) => {
        stopListening();
        reject(error);
      },
    );
  });
}
