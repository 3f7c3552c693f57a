/** What a failure says of the drone that it is told of. */
import type { DroneError, DroneErrorKind } from '../queue/drone/drone-error.js';

/** The drone has answered to the call that failed. */
const OF_A_CALL: readonly DroneErrorKind[] = ['call', 'not-cloneable', 'callback', 'cancelled'];

/** Whether one call has failed, of a drone that can go on with those behind it. */
export function blamesCall({ kind }: DroneError): boolean {
  return OF_A_CALL.includes(kind);
}

/** Whether a drone that failed so may not be what it was. */
export function blamesDrone(error: DroneError): boolean {
  return !blamesCall(error) && error.kind !== 'not-contacted';
}
