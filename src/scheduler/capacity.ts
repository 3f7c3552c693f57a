/** Which drone may take how much. */
import { compareLoad } from '../queue/drone/drone.js';
import { checked } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';
import type { Metrics } from '../report/metrics.js';
import type { DroneStates } from './drone-states.js';
import type { ManagedDrone } from './managed-drone.js';
import type { ManagerSettings } from './manager-options.js';
import type { Pidfiles } from './pidfiles.js';

/** Who asks for a drone, and which will do. */
export interface DroneChoice {
  /** Must be among the drone's `allowedUsers`, if it has some. Default null: nobody in particular. */
  user?: string | null | undefined;
  /** Null for any of them; of an empty set, none. Default null. */
  allowedHostnames?: ReadonlySet<string> | readonly string[] | null | undefined;
}

export const DRONE_CHOICE = {
  user: checked<string | null>('a string or null', user => user === null || typeof user === 'string').or(null),
  // A string is iterable, too, and would be taken for a set of letters.
  allowedHostnames: checked<ReadonlySet<string> | readonly string[] | null>(
    'a Set or list of hostnames, or null',
    names => names === null || names instanceof Set || Array.isArray(names),
  ).or(null),
} satisfies Table<DroneChoice>;

/** Sets the drones' `activeProcesses`, and chooses by it. */
export class Capacity {
  readonly #settings: ManagerSettings;
  readonly #metrics: Metrics;
  readonly #states: DroneStates;
  readonly #pidfiles: Pidfiles;

  constructor(settings: ManagerSettings, metrics: Metrics, states: DroneStates, pidfiles: Pidfiles) {
    this.#settings = settings;
    this.#metrics = metrics;
    this.#states = states;
    this.#pidfiles = pidfiles;
  }

  /** The least loaded with enough room, else the least loaded; undefined when none may be used. */
  choose(processCount: number, choice: DroneChoice): ManagedDrone | undefined {
    const sorted = this.#candidates(choice);
    const withRoom = sorted.find(drone => roomOn(drone) >= processCount);
    const [first] = sorted;
    if (withRoom || !first) return withRoom;
    const { log } = this.#settings;
    const { activeProcesses, hostname, maxProcesses } = first;
    const load = `${String(activeProcesses)} of ${String(maxProcesses)}`;
    log.error(`no drone has room for ${String(processCount)} processes; ${hostname} takes them, with ${load}`, {
      hostname,
      processCount,
    });
    return first;
  }

  /** How many processes the one with the most room can take. */
  mostRoom(choice: DroneChoice): number {
    return this.#candidates(choice).reduce((most, drone) => Math.max(most, roomOn(drone)), 0);
  }

  /** Counts anew what its registered pidfiles stand for. */
  count(drone: ManagedDrone): void {
    drone.activeProcesses = this.#pidfiles.countOn(drone);
  }

  countAll(drones: readonly ManagedDrone[]): void {
    for (const drone of drones) this.count(drone);
    const gauge = (what: string, level: number): void => {
      this.#metrics.gauge(what, level);
    };
    gauge(
      'active_processes',
      drones.reduce((sum, drone) => sum + drone.activeProcesses, 0),
    );
    gauge(
      'max_processes',
      this.#states.usable.reduce((sum, drone) => sum + drone.maxProcesses, 0),
    );
    gauge('stale_drones', this.#states.stale.size);
  }

  /** Throws TypeError (`ERR_INVALID_ARG`). */
  #candidates(choice: DroneChoice): ManagedDrone[] {
    const { user, allowedHostnames } = readOptions(DRONE_CHOICE, choice);
    const allowed = allowedHostnames === null ? undefined : new Set(allowedHostnames);
    return this.#states.usable
      .filter(drone => drone.usableBy(user) && (allowed?.has(drone.hostname) ?? true))
      .sort((a, b) => compareLoad(a, b));
  }
}

function roomOn({ activeProcesses, maxProcesses }: ManagedDrone): number {
  return maxProcesses - activeProcesses;
}
