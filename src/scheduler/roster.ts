/** The drones of a manager: unknown until `initialize` has succeeded, and out of reach after `close`. */
import { checkDrone } from '../queue/drone/drone.js';
import { invalidArgument } from '../option/invalid-argument.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { ProcessId } from '../queue/wire/methods.js';
import { DroneManagerError } from './drone-manager-error.js';
import type { DroneStates } from './drone-states.js';
import { initializeDrones } from './initialization.js';
import type { ManagedDrone } from './managed-drone.js';
import type { ManagerSettings } from './manager-options.js';

export class Roster {
  readonly #states: DroneStates;
  readonly #closing = new AbortController();
  #drones: readonly ManagedDrone[] = [];
  #resultsDir: string | undefined;

  constructor(states: DroneStates) {
    this.#states = states;
  }

  get drones(): readonly ManagedDrone[] {
    return this.#drones;
  }

  /** Aborted by `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Rejects with DroneManagerError, also when all drones fail: then none is known, and it may be called again. */
  async initialize(
    queue: TaskQueue,
    resultsDir: string,
    drones: readonly ManagedDrone[],
    settings: ManagerSettings,
  ): Promise<void> {
    this.#requireRunning();
    if (this.#resultsDir !== undefined) throw new DroneManagerError('ERR_INITIALIZED', 'the manager is initialized');
    await initializeDrones(queue, resultsDir, drones, this.#states, { ...settings, signal: this.closing });
    this.#requireRunning();
    this.#drones = drones;
    this.#resultsDir = resultsDir;
  }

  close(): void {
    this.#closing.abort(new DroneManagerError('ERR_SHUT_DOWN', 'the drone manager was closed'));
  }

  /** Returns the results directory. Throws DroneManagerError. */
  requireInitialized(): string {
    this.#requireRunning();
    if (this.#resultsDir !== undefined) return this.#resultsDir;
    throw new DroneManagerError('ERR_NOT_INITIALIZED', 'the drone manager is not initialized');
  }

  /** At least one. Of several that are one host, any will do: those that answer come first. */
  named(hostname: string): [ManagedDrone, ...ManagedDrone[]] {
    this.requireInitialized();
    const [first, ...others] = this.#drones
      .filter(drone => drone.hostname === hostname)
      .sort((a, b) => Number(this.#states.isFresh(b)) - Number(this.#states.isFresh(a)));
    if (first) return [first, ...others];
    throw new DroneManagerError('ERR_UNKNOWN_HOST', `no drone of the manager is ${hostname}`);
  }

  /** A drone itself, or a process's. */
  droneIn(where: ManagedDrone | ProcessId): ManagedDrone {
    return 'queueCall' in where ? where : this.named(where.hostname)[0];
  }

  #requireRunning(): void {
    if (this.closing.aborted) throw new DroneManagerError('ERR_SHUT_DOWN', 'the drone manager was closed');
  }
}

/** Throws TypeError (`ERR_INVALID_ARG`) for what is no drone, and for one that is listed twice. */
export function checkDrones(drones: Iterable<ManagedDrone>): ManagedDrone[] {
  const list = [...drones];
  for (const [at, drone] of list.entries()) {
    checkDrone(`drones[${String(at)}]`, drone);
    if (list.indexOf(drone) < at) throw invalidArgument(`drones[${String(at)}]`, drone, 'a drone that is listed once');
  }
  return list;
}
