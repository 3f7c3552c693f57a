import type { AnyDrone } from '../queue/drone/drone.js';

/**
 * Why a drone manager refused a call, or why a drone failed with something other than a DroneError.
 *
 * - `ERR_NO_DRONES`: no drone could be initialized. `failures` holds the reason for each; `initialize` may be called
 *   again.
 * - `ERR_NOT_INITIALIZED`: `initialize` has not resolved yet. Await it first.
 * - `ERR_INITIALIZED`: `initialize` was called again after it had succeeded. The drones stay as they are.
 * - `ERR_SHUT_DOWN`: `close` was called. Create a new manager.
 * - `ERR_NO_USABLE_DRONE`: no drone may run the command. The message gives the reason for up to ten drones: stale
 *   (since when and why), disabled, not for this user. Nothing was queued.
 * - `ERR_NO_ROOM`: the drones that may run the command have no room for its `processCount` within `maxProcesses`. Try
 *   again when a command has ended, or raise `maxProcesses`.
 * - `ERR_UNKNOWN_HOST`: none of the manager's drones has this hostname. Pass the drone to `initialize`.
 * - `ERR_UNKNOWN_PIDFILE`: the pidfile is not registered. Register it first.
 * - `ERR_PIDFILE_REGISTERED`: a pidfile with this path is already registered. Unregister the earlier one first.
 * - `ERR_ATTACHED_TWICE`: a file with this name is already attached to the working directory. The first one stays.
 * - `ERR_CALLS_LEFT`: the refresh skipped the drone because other calls were queued on it. `executeActions` runs them.
 * - `ERR_BAD_REFRESH`: the drone's answer to `refresh` was malformed. The drone is stale until a refresh succeeds.
 * - `ERR_NOT_ATTACHED`: an attached file may not have been written, so the command was not started. Execute it again.
 * - `ERR_COPY_TAKEN`: other code ran a copy's call or cleared it from the drone's queue. Whether the file was copied is
 *   unknown.
 * - `ERR_NO_ANSWER`: the drone did not answer `initialize` within `refreshTimeoutMs`. The drone is stale until a
 *   refresh succeeds.
 */
export type DroneManagerErrorCode =
  | 'ERR_NO_DRONES'
  | 'ERR_NOT_INITIALIZED'
  | 'ERR_INITIALIZED'
  | 'ERR_SHUT_DOWN'
  | 'ERR_NO_USABLE_DRONE'
  | 'ERR_NO_ROOM'
  | 'ERR_UNKNOWN_HOST'
  | 'ERR_UNKNOWN_PIDFILE'
  | 'ERR_PIDFILE_REGISTERED'
  | 'ERR_ATTACHED_TWICE'
  | 'ERR_CALLS_LEFT'
  | 'ERR_BAD_REFRESH'
  | 'ERR_NOT_ATTACHED'
  | 'ERR_COPY_TAKEN'
  | 'ERR_NO_ANSWER';

/** A drone manager refused a call, or a drone failed with something other than a DroneError. */
export class DroneManagerError extends Error {
  override readonly name = 'DroneManagerError';
  readonly code: DroneManagerErrorCode;
  /** The failure of each drone with `ERR_NO_DRONES`, otherwise empty. */
  declare readonly failures: ReadonlyMap<AnyDrone, Error>;

  constructor(
    code: DroneManagerErrorCode,
    message: string,
    options?: ErrorOptions & { failures?: ReadonlyMap<AnyDrone, Error> | undefined },
  ) {
    super(message, options);
    this.code = code;
    // Not enumerable, as in the exception of a round: a printed error must not show a fleet.
    Object.defineProperty(this, 'failures', { value: options?.failures ?? new Map() });
  }
}

export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('something was thrown that is not an Error', { cause: thrown });
}
