/** The drones of a manager: none until `initialize` has succeeded, and refused after `close`. */
import { type AnyDrone, listDrones } from '../queue/drone/drone.js';
import { summarize } from '../queue/drone/drone-error.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { raceAbort } from '../wait/abort.js';
import { Deadline } from '../wait/deadline.js';
import { Semaphore } from '../wait/semaphore.js';
import type { ProcessId } from '../queue/wire/methods.js';
import { DroneManagerError, errorOf } from './drone-manager-error.js';
import type { ManagedDrone } from './managed-drone.js';
import type { ManagerParts } from './manager-parts.js';

/** Enough that hosts that are down do not add up; the queue has its own bounds for connections. */
const INITIALIZED_AT_ONCE = 16;

export class Roster {
  readonly #parts: ManagerParts;
  readonly #closing = new AbortController();
  #drones: readonly ManagedDrone[] = [];
  #resultsDir: string | undefined;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
  }

  get drones(): readonly ManagedDrone[] {
    return this.#drones;
  }

  /** Aborted by `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Rejects with a DroneManagerError, also when all drones fail: the manager then has none, and the caller may retry.
   */
  async initialize(resultsDir: string, drones: readonly ManagedDrone[]): Promise<void> {
    this.#requireRunning();
    if (this.#resultsDir !== undefined) throw new DroneManagerError('ERR_INITIALIZED', 'the manager is initialized');
    await this.#initializeAll(resultsDir, drones);
    this.#requireRunning();
    this.#drones = drones;
    this.#resultsDir = resultsDir;
  }

  close(): void {
    this.#closing.abort(new DroneManagerError('ERR_SHUT_DOWN', 'the drone manager was closed'));
  }

  /** Returns the results directory. Throws a DroneManagerError. */
  requireInitialized(): string {
    this.#requireRunning();
    if (this.#resultsDir !== undefined) return this.#resultsDir;
    throw new DroneManagerError('ERR_NOT_INITIALIZED', 'the drone manager is not initialized');
  }

  /** At least one. Several drones may be one machine: those that answer come first. */
  named(hostname: string): [ManagedDrone, ...ManagedDrone[]] {
    this.requireInitialized();
    const { states } = this.#parts;
    const [first, ...others] = this.#drones
      .filter(drone => drone.hostname === hostname)
      .sort((a, b) => Number(states.isFresh(b)) - Number(states.isFresh(a)));
    if (first) return [first, ...others];
    throw new DroneManagerError('ERR_UNKNOWN_HOST', `the manager has no drone ${hostname}`);
  }

  droneIn(where: ManagedDrone | ProcessId): ManagedDrone {
    return 'queueCall' in where ? where : this.named(where.hostname)[0];
  }

  #requireRunning(): void {
    if (this.closing.aborted) throw new DroneManagerError('ERR_SHUT_DOWN', 'the drone manager was closed');
  }

  async #initializeAll(resultsDir: string, drones: readonly ManagedDrone[]): Promise<void> {
    const { states } = this.#parts;
    const failures = new Map<AnyDrone, Error>();
    for (const drone of drones) states.add(drone);
    const semaphore = new Semaphore(INITIALIZED_AT_ONCE);
    const initialize = async (drone: ManagedDrone): Promise<void> => {
      try {
        await this.#initializeOne(resultsDir, drone);
        states.initialized(drone);
      } catch (thrown) {
        const error = errorOf(thrown);
        failures.set(drone, error);
        states.failed(drone, error);
      }
    };
    await Promise.all(drones.map(drone => semaphore.run(() => initialize(drone))));
    if (failures.size < drones.length) return;
    states.clear();
    const lines = [...failures].map(([{ hostname }, error]) => `Drone ${hostname}: ${summarize(error)}`);
    const message = drones.length === 0 ? 'there are no drones' : `no drone could be initialized\n${lines.join('\n')}`;
    throw new DroneManagerError('ERR_NO_DRONES', message, { failures });
  }

  /** Uses `queue.call`, as a round would also run calls that users have queued. The next refresh repeats a late answer. */
  async #initializeOne(resultsDir: string, drone: ManagedDrone): Promise<void> {
    const { queue, settings } = this.#parts;
    const { clock, refreshTimeoutMs: limitMs } = settings;
    const message = `drone ${drone.hostname} has not answered initialize for ${String(limitMs)} ms`;
    const reason = new DroneManagerError('ERR_NO_ANSWER', message);
    const deadline = new Deadline([this.closing], { clock, limitMs, reason });
    try {
      await raceAbort(deadline.signal, queue.call(drone, 'initialize', resultsDir));
    } finally {
      deadline.release();
    }
  }
}

/** Throws a TypeError (`ERR_INVALID_ARG`) for a value that is not a drone, and for a drone that is listed twice. */
export function checkDrones(drones: Iterable<ManagedDrone>): ManagedDrone[] {
  const list = listDrones(drones);
  for (const [at, drone] of list.entries()) {
    if (list.indexOf(drone) < at) throw invalidArgument(`drones[${String(at)}]`, drone, 'a drone that is listed once');
  }
  return list;
}
