/** Waits that an AbortSignal ends. The agent runs on Node 18.0, which lacks `events.addAbortListener`. */
import { setMaxListeners } from 'node:events';

const stopNothing = (): void => undefined;

/** Calls `fn` with the reason once `signal` aborts, at once if it has aborted. Returns a function that stops listening. */
export function onAbort(signal: AbortSignal | undefined, fn: (reason: unknown) => void): () => void {
  if (signal === undefined) return stopNothing;
  if (signal.aborted) {
    fn(signal.reason);
    return stopNothing;
  }
  const listener = (): void => fn(signal.reason);
  // Many may wait with one signal. Each removes its listener, so a large number is not a leak.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** Settles as `work` does, or rejects when `signal` aborts. After that it ignores a failure; `discard` gets a value. */
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
