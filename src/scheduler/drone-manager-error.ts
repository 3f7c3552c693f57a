/** Why a drone manager refuses, or what it says of a drone beside the drone's own DroneError. */
import type { AnyDrone } from '../queue/drone/drone.js';

/**
 * | code | meaning |
 * |---|---|
 * | `ERR_NO_DRONES` | no drone could be initialized; `failures` has the reason of each |
 * | `ERR_NOT_INITIALIZED`, `ERR_INITIALIZED` | `initialize` has not resolved yet, or was called again after it had |
 * | `ERR_SHUT_DOWN` | `close` was called |
 * | `ERR_NO_USABLE_DRONE` | no drone may run the command |
 * | `ERR_UNKNOWN_HOST` | none of the manager's drones has this hostname |
 * | `ERR_UNKNOWN_PIDFILE`, `ERR_PIDFILE_REGISTERED` | the pidfile is not registered, or it is already |
 * | `ERR_ATTACHED_TWICE` | a file of this name is attached to the working directory already |
 * | `ERR_CALLS_LEFT` | the drone was left out of the refresh: calls of others were queued on it |
 * | `ERR_BAD_REFRESH` | what the drone answered to `refresh` made no sense |
 * | `ERR_NOT_ATTACHED` | the command was not started, since an attached file could not be written |
 * | `ERR_COPY_TAKEN` | a copy's call was run, or cleared from its drone's queue, by somebody else: its outcome is not known |
 * | `ERR_NO_ANSWER` | the drone has not answered to `initialize` within `refreshTimeoutMs` |
 */
export type DroneManagerErrorCode =
  | 'ERR_NO_DRONES'
  | 'ERR_NOT_INITIALIZED'
  | 'ERR_INITIALIZED'
  | 'ERR_SHUT_DOWN'
  | 'ERR_NO_USABLE_DRONE'
  | 'ERR_UNKNOWN_HOST'
  | 'ERR_UNKNOWN_PIDFILE'
  | 'ERR_PIDFILE_REGISTERED'
  | 'ERR_ATTACHED_TWICE'
  | 'ERR_CALLS_LEFT'
  | 'ERR_BAD_REFRESH'
  | 'ERR_NOT_ATTACHED'
  | 'ERR_COPY_TAKEN'
  | 'ERR_NO_ANSWER';

/** What a drone manager refuses, or says of a drone. */
export class DroneManagerError extends Error {
  override readonly name = 'DroneManagerError';
  readonly code: DroneManagerErrorCode;
  /** Of `ERR_NO_DRONES`: what each drone failed with. Else empty. */
  declare readonly failures: ReadonlyMap<AnyDrone, Error>;

  constructor(
    code: DroneManagerErrorCode,
    message: string,
    options?: ErrorOptions & { failures?: ReadonlyMap<AnyDrone, Error> | undefined },
  ) {
    super(message, options);
    this.code = code;
    // Not enumerable, as in the exception of a round: a printed error must not hold a fleet.
    Object.defineProperty(this, 'failures', { value: options?.failures ?? new Map() });
  }
}

/** What was thrown, as an Error. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('something was thrown that is no Error', { cause: thrown });
}
