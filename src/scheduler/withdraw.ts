/** Takes calls of our own back, before they were sent. */
import type { Call } from '../queue/drone/call.js';
import { type AnyDrone, returnWorkload, takeWorkload } from '../queue/drone/drone.js';

/** Those that are still in the drone's queue; other calls, and kills, stay as they are. Gives what was there. */
export function withdraw(drone: AnyDrone, calls: Iterable<Call>): Set<Call> {
  const ours = new Set(calls);
  const { kills, calls: queued } = takeWorkload(drone);
  returnWorkload(drone, { kills, calls: queued.filter(call => !ours.has(call)) });
  return new Set(queued.filter(call => ours.has(call)));
}
