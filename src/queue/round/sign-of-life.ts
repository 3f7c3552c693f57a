/** Whether the end of a batch shows that its drone connects and answers. */
import { DroneError } from '../drone/drone-error.js';
import { ERROR_KINDS, type SignOfLife } from '../drone/error-kinds.js';

/** `failure` is undefined after success. `none`: nothing new is known. */
export function signOfLife(failure: DroneError | undefined): SignOfLife {
  if (failure === undefined) return 'answers';
  const { kind, phase, cause } = failure;
  const { sign } = ERROR_KINDS[kind];
  if (sign !== 'silent') return sign;
  // Before its turn to connect only this side can fail, such as on an unreadable utility module.
  if (phase === 'waiting') return signOfLastTry(cause);
  if (isReported(failure)) return 'answers';
  return isOwnTrouble(cause) ? 'none' : 'silent';
}

/** This machine is out of files or ports, which is not the drone's fault. */
const OWN_TROUBLE: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOBUFS', 'EADDRNOTAVAIL'];

function isOwnTrouble(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  return OWN_TROUBLE.includes(code) || (cause !== undefined && cause !== error && isOwnTrouble(cause));
}

/** The deadline ended the wait for a retry. */
function signOfLastTry(cause: unknown): SignOfLife {
  const last: unknown = cause instanceof Error ? cause.cause : undefined;
  return last instanceof DroneError ? signOfLife(last) : 'none';
}

/**
 * Whether the agent reported the end of the call: `lost` because of another call, or a timeout; or all calls had answered
 * and `onOutput` was late. The calls of an agent killed for its silence are among those that may have run.
 */
function isReported({ kind, call, killed, completed, mayHaveRun, notStarted }: DroneError): boolean {
  if (kind !== 'timeout') return call !== undefined;
  if (killed !== undefined) return call === undefined ? mayHaveRun.length === 0 : !mayHaveRun.includes(call);
  return completed.length > 0 && mayHaveRun.length === 0 && notStarted.length === 0;
}
