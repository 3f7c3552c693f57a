import type { Call } from '../queue/drone/call.js';
import { type AnyDrone, returnWorkload, takeWorkload } from '../queue/drone/drone.js';

/** Removes and returns those of our calls that are still in the drone's queue. Other calls and kills stay as they are. */
export function withdraw(drone: AnyDrone, calls: Iterable<Call>): Set<Call> {
  const ours = new Set(calls);
  const { kills, calls: queued } = takeWorkload(drone);
  returnWorkload(drone, { kills, calls: queued.filter(call => !ours.has(call)) });
  return new Set(queued.filter(call => ours.has(call)));
}
