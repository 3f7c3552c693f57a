import { compareLoad } from '../queue/drone/drone.js';
import { checked } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';
import { DroneManagerError } from './drone-manager-error.js';
import type { ManagedDrone } from './managed-drone.js';
import type { ManagerParts } from './manager-parts.js';
import { whyUnusable } from './unusable.js';

/** Which drones may be chosen. */
export interface DroneChoice {
  /** Must be among the drone's `allowedUsers`, if it has any. Default null: no particular user. */
  user?: string | null | undefined;
  /** Null allows all; an empty set allows none. Default null. */
  allowedHostnames?: ReadonlySet<string> | readonly string[] | null | undefined;
}

export const DRONE_CHOICE = {
  user: checked<string | null>('a string or null', user => user === null || typeof user === 'string').or(null),
  // A string is iterable too, and would count as a set of letters.
  allowedHostnames: checked<ReadonlySet<string> | readonly string[] | null>(
    'a Set or list of hostnames, or null',
    names => names === null || names instanceof Set || Array.isArray(names),
  ).or(null),
} satisfies Table<DroneChoice>;

/** Sets the drones' `activeProcesses` and chooses drones by it. */
export class Capacity {
  readonly #parts: ManagerParts;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
  }

  /** The least loaded drone with enough room. */
  choose(processCount: number, choice: DroneChoice): ManagedDrone | undefined {
    return this.#candidates(choice).find(drone => hasRoom(drone, processCount));
  }

  /**
   * Throws a DroneManagerError: `ERR_NO_USABLE_DRONE`, `ERR_NO_ROOM`. `paired` is the only drone that will do, if any.
   */
  require(processCount: number, choice: DroneChoice, paired: ManagedDrone | undefined, title: string): ManagedDrone {
    const candidates = paired ? [paired] : this.#candidates(choice);
    const drone = candidates.find(each => hasRoom(each, processCount));
    if (drone) return drone;
    const [first] = candidates;
    const why = paired ? '' : this.#why(processCount, choice);
    if (!first) throw new DroneManagerError('ERR_NO_USABLE_DRONE', `no drone may run ${title}: ${why}`);
    const { activeProcesses, hostname, maxProcesses } = first;
    const load = `${hostname} runs ${String(activeProcesses)} of maxProcesses ${String(maxProcesses)}`;
    const message = `no drone has room for ${title}, which counts for ${String(processCount)}: ${load}`;
    const advice = 'try again when a command has ended, or raise maxProcesses';
    throw new DroneManagerError('ERR_NO_ROOM', [`${message}; ${advice}`, why].filter(Boolean).join('\n'));
  }

  mostRoom(choice: DroneChoice): number {
    return this.#candidates(choice).reduce(
      (most, drone) => Math.max(most, drone.maxProcesses - drone.activeProcesses),
      0,
    );
  }

  /** Sums up the processes of its registered pidfiles. */
  count(drone: ManagedDrone): void {
    drone.activeProcesses = this.#parts.pidfiles.countOn(drone);
  }

  countAll(drones: readonly ManagedDrone[]): void {
    for (const drone of drones) this.count(drone);
    const { metrics, states } = this.#parts;
    const active = drones.reduce((sum, drone) => sum + drone.activeProcesses, 0);
    const max = states.usable.reduce((sum, drone) => sum + drone.maxProcesses, 0);
    metrics.gauge('active_processes', active);
    if (max < Infinity) metrics.gauge('max_processes', max);
    metrics.gauge('stale_drones', states.stale.size);
  }

  #why(processCount: number, choice: DroneChoice): string {
    const { states } = this.#parts;
    const { user, allowedHostnames } = readOptions(DRONE_CHOICE, choice);
    const allowed = allowedHostnames === null ? undefined : new Set(allowedHostnames);
    return whyUnusable(states.drones, states, { processCount, user, allowed });
  }

  /** Throws a TypeError (`ERR_INVALID_ARG`). */
  #candidates(choice: DroneChoice): ManagedDrone[] {
    const { user, allowedHostnames } = readOptions(DRONE_CHOICE, choice);
    const allowed = allowedHostnames === null ? undefined : new Set(allowedHostnames);
    return this.#parts.states.usable
      .filter(drone => drone.usableBy(user) && (allowed?.has(drone.hostname) ?? true))
      .sort((a, b) => compareLoad(a, b));
  }
}

function hasRoom({ activeProcesses, maxProcesses }: ManagedDrone, processCount: number): boolean {
  return processCount === 0 || activeProcesses + processCount <= maxProcesses;
}
