/** Why drones cannot take a command, for the message that refuses it. */
import { summarize } from '../queue/drone/drone-error.js';
import { oneLine, quote } from '../report/untrusted-text.js';
import type { DroneStates } from './drone-states.js';
import type { ManagedDrone } from './managed-drone.js';

/** What a command requires of a drone. */
export interface WantedDrone {
  readonly processCount: number;
  readonly user: string | null;
  /** Undefined: all. */
  readonly allowed: ReadonlySet<string> | undefined;
}

interface Reason {
  /** The same for all drones of its kind. */
  readonly kind: string;
  /** The reason for this drone. */
  readonly detail: string;
}

/** How many drones the message names; it counts all. */
const MAX_LINES = 10;

/** `2 stale, 1 disabled`, then a line for each of the first drones. What the caller has excluded itself comes last. */
export function whyUnusable(drones: readonly ManagedDrone[], states: DroneStates, wanted: WantedDrone): string {
  const reasons = drones.map(drone => ({ drone, ...reasonOf(drone, states, wanted) }));
  const isExcluded = ({ hostname }: ManagedDrone): number => Number(wanted.allowed?.has(hostname) === false);
  reasons.sort((a, b) => isExcluded(a.drone) - isExcluded(b.drone));
  const counts = new Map<string, number>();
  for (const { kind } of reasons) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const tally = [...counts].map(([kind, count]) => `${String(count)} ${kind}`).join(', ');
  const lines = reasons.slice(0, MAX_LINES).map(({ drone, detail }) => `Drone ${drone.hostname}: ${detail}`);
  const more = reasons.length - lines.length;
  if (more > 0) lines.push(`and ${String(more)} more`);
  return [tally, ...lines].join('\n');
}

function reasonOf(drone: ManagedDrone, states: DroneStates, { processCount, user, allowed }: WantedDrone): Reason {
  if (allowed?.has(drone.hostname) === false) return same('not in allowedHostnames');
  if (!drone.enabled) return same('disabled');
  const stale = states.stale.get(drone);
  if (stale !== undefined) {
    const detail = `stale since ${stale.since.toISOString()}: ${oneLine(summarize(stale.error))}`;
    return { kind: 'stale', detail };
  }
  if (!states.isFresh(drone)) return same('not refreshed yet');
  if (!drone.usableBy(user)) {
    const detail =
      user === null ? 'has allowedUsers, and no user is given' : `user ${quote(user)} is not in its allowedUsers`;
    return { kind: 'not for this user', detail };
  }
  const { activeProcesses, maxProcesses } = drone;
  const detail = `runs ${String(activeProcesses)} of maxProcesses ${String(maxProcesses)}, ${String(processCount)} wanted`;
  return { kind: 'full', detail };
}

function same(kind: string): Reason {
  return { kind, detail: kind };
}
