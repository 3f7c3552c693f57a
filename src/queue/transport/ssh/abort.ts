/** Waits that end at once when the connection is given up. */
import { TransportError } from '../transport.js';

/** Why the wait ended: the reason given, if that is a TransportError. */
export function abandoned(signal: AbortSignal): TransportError {
  const reason: unknown = signal.reason;
  return reason instanceof TransportError
    ? reason
    : new TransportError('cancelled', 'connecting was given up', { cause: reason });
}

/**
 * Settles as `work` does, or rejects as soon as `signal` is aborted. What `work` gives after that goes to `discard`.
 * Its late failure is of no interest: the wait has already failed.
 */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>, discard?: (late: T) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      reject(abandoned(signal));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(
      value => {
        signal.removeEventListener('abort', onAbort);
        if (signal.aborted) discard?.(value);
        else resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      },
    );
  });
}
