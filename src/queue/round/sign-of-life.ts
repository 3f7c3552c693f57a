/** What the end of a drone's batch tells of the drone itself: whether it can be connected to, and answers. */
import { DroneError } from '../drone/drone-error.js';
import { ERROR_KINDS, type SignOfLife } from '../drone/error-kinds.js';

/** `failure` is undefined when all went well. `none`: nothing is known that was not before. */
export function signOfLife(failure: DroneError | undefined): SignOfLife {
  if (failure === undefined) return 'answers';
  const { kind, phase, cause } = failure;
  const { sign } = ERROR_KINDS[kind];
  if (sign !== 'silent') return sign;
  // Before its turn to connect only what is on our side can fail, such as a utility module that cannot be read.
  if (phase === 'waiting') return signOfLastTry(cause);
  if (isReported(failure)) return 'answers';
  return isOwnTrouble(cause) ? 'none' : 'silent';
}

/** No file can be opened here, or no port is left: nothing that a drone could help. */
const OWN_TROUBLE: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOBUFS', 'EADDRNOTAVAIL'];

function isOwnTrouble(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  return OWN_TROUBLE.includes(code) || (cause !== undefined && cause !== error && isOwnTrouble(cause));
}

/** It waited to be tried again when the time was up. */
function signOfLastTry(cause: unknown): SignOfLife {
  const last: unknown = cause instanceof Error ? cause.cause : undefined;
  return last instanceof DroneError ? signOfLife(last) : 'none';
}

/**
 * The agent reported how the call ended: `lost` for another call's sake, or out of time; or all had answered, and it was
 * the caller's `onOutput`. Of an agent that was killed for its silence the calls are among those that may have run.
 */
function isReported({ kind, call, killed, completed, mayHaveRun, notStarted }: DroneError): boolean {
  if (kind !== 'timeout') return call !== undefined;
  if (killed !== undefined) return call === undefined ? mayHaveRun.length === 0 : !mayHaveRun.includes(call);
  return completed.length > 0 && mayHaveRun.length === 0 && notStarted.length === 0;
}
