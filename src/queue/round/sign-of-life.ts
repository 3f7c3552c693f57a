/** What the end of a drone's batch tells of the drone itself: whether it can be connected to, and answers. */
import { DroneError } from '../drone/drone-error.js';

/** `none`: nothing is known that was not before. */
export type SignOfLife = 'answers' | 'silent' | 'none';

/** `failure` is undefined when all went well. */
export function signOfLife(failure: DroneError | undefined): SignOfLife {
  if (failure === undefined) return 'answers';
  switch (failure.kind) {
    case 'call':
    case 'not-cloneable':
      return 'answers';
    case 'timeout':
      if (failure.phase === 'waiting') return signOfLastTry(failure);
      return isReported(failure) ? 'answers' : 'silent';
    case 'lost':
      // With a call it is the agent's own word: what the call ran in died for another's sake.
      return failure.call === undefined ? silentUnlessWaiting(failure) : 'answers';
    case 'unreachable':
    case 'auth':
    case 'host-key':
    case 'bootstrap':
    case 'protocol':
      return silentUnlessWaiting(failure);
    case 'cancelled':
    case 'callback':
    case 'worker-lost':
    case 'not-contacted':
    case 'kicked-out':
      return 'none';
  }
}

/** No file can be opened here, or no port is left: nothing that a drone could help. */
const OWN_TROUBLE: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOBUFS', 'EADDRNOTAVAIL'];

/** Before its turn to connect only what is on our side can fail, such as a utility module that cannot be read. */
function silentUnlessWaiting({ phase, cause }: DroneError): SignOfLife {
  return phase === 'waiting' || isOwnTrouble(cause) ? 'none' : 'silent';
}

function isOwnTrouble(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  return OWN_TROUBLE.includes(code) || (cause !== undefined && cause !== error && isOwnTrouble(cause));
}

/** It waited to be tried again when the time was up. */
function signOfLastTry({ cause }: DroneError): SignOfLife {
  const last: unknown = cause instanceof Error ? cause.cause : undefined;
  return last instanceof DroneError ? signOfLife(last) : 'none';
}

/**
 * The agent told how the call ended that was out of time; or all had answered, and it was the caller's `onOutput`. Of an
 * agent that was killed for its silence the call is among those that may have run.
 */
function isReported({ call, killed, completed, mayHaveRun, notStarted }: DroneError): boolean {
  if (killed !== undefined) return call === undefined || !mayHaveRun.includes(call);
  return completed.length > 0 && mayHaveRun.length === 0 && notStarted.length === 0;
}
