/**
 * What the manager knows of each drone. A drone is initialized or not yet, and fresh, stale or neither. A drone that answered
 * its last refresh is fresh, and only fresh drones get work. A failure makes it stale; it keeps what was last known of it. An
 * answer to a refresh that was asked for after the failure makes it fresh again.
 */
import type { Clock } from '../wait/clock.js';
import type { AnyDrone } from '../queue/drone/drone.js';
import { summarize } from '../queue/drone/drone-error.js';
import { events, publish } from './events.js';
import type { Log } from '../report/log.js';
import type { ManagedDrone } from './managed-drone.js';
import type { Snapshot } from './snapshot.js';

/** A drone that failed and takes no new work. */
export interface StaleDrone {
  /** Time of its first failure. */
  readonly since: Date;
  /** Its last failure. */
  readonly error: Error;
  /**
   * Age of the known data, ms, since the start of the last refresh that the drone answered; `Infinity` if there was
   * none.
   */
  readonly ageMs: number;
}

interface DroneState {
  initialized: boolean;
  snapshot: Snapshot | undefined;
  fresh: boolean;
  /** On the manager's clock. */
  failedAtMs: number;
}

export class DroneStates {
  readonly stale = new Map<AnyDrone, StaleDrone>();
  readonly #states = new Map<ManagedDrone, DroneState>();
  readonly #manager: string;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor({ name, clock, log }: { name: string; clock: Clock; log: Log }) {
    this.#manager = name;
    this.#clock = clock;
    this.#log = log;
  }

  get drones(): ManagedDrone[] {
    return [...this.#states.keys()];
  }

  get usable(): ManagedDrone[] {
    return [...this.#states].filter(([drone, { fresh }]) => fresh && drone.enabled).map(([drone]) => drone);
  }

  add(drone: ManagedDrone): void {
    this.#states.set(drone, { initialized: false, snapshot: undefined, fresh: false, failedAtMs: -Infinity });
  }

  clear(): void {
    this.#states.clear();
    this.stale.clear();
  }

  isFresh(drone: ManagedDrone): boolean {
    return this.#stateOf(drone).fresh;
  }

  isInitialized(drone: ManagedDrone): boolean {
    return this.#stateOf(drone).initialized;
  }

  /** The youngest of each hostname, which several drones may share. */
  get snapshots(): ReadonlyMap<string, Snapshot> {
    const youngest = new Map<string, Snapshot>();
    for (const [{ hostname }, { snapshot }] of this.#states) {
      if (snapshot && snapshot.askedAtMs >= (youngest.get(hostname)?.askedAtMs ?? -Infinity)) {
        youngest.set(hostname, snapshot);
      }
    }
    return youngest;
  }

  initialized(drone: ManagedDrone): void {
    this.#stateOf(drone).initialized = true;
    const { hostname } = drone;
    this.#log.info(`drone ${hostname} is initialized`, { hostname });
    publish(events.droneInitialized, () => ({ manager: this.#manager, hostname }));
  }

  refreshed(drone: ManagedDrone, snapshot: Snapshot): void {
    const state = this.#stateOf(drone);
    state.snapshot = snapshot;
    // An answer from before the failure proves nothing.
    if (state.failedAtMs > snapshot.askedAtMs) return;
    state.fresh = true;
    if (!this.stale.delete(drone)) return;
    const { hostname } = drone;
    this.#log.info(`drone ${hostname} is fresh again`, { hostname });
    publish(events.droneFresh, () => ({ manager: this.#manager, hostname }));
  }

  /** Warns once; logs later failures on level debug. */
  failed(drone: ManagedDrone, error: Error): void {
    const state = this.#stateOf(drone);
    const known = this.stale.get(drone);
    const clock = this.#clock;
    state.fresh = false;
    state.failedAtMs = clock.nowMs();
    this.stale.set(drone, {
      since: known?.since ?? new Date(),
      error,
      get ageMs() {
        return state.snapshot ? clock.nowMs() - state.snapshot.askedAtMs : Infinity;
      },
    });
    const { hostname } = drone;
    const message = `drone ${hostname} is stale: ${summarize(error)}`;
    this.#log[known ? 'debug' : 'warn'](message, { hostname, error });
    if (!known) publish(events.droneStale, () => ({ manager: this.#manager, hostname, error }));
  }

  #stateOf(drone: ManagedDrone): DroneState {
    const state = this.#states.get(drone);
    if (!state) throw new Error(`drone ${drone.hostname} does not belong to ${this.#manager}`);
    return state;
  }
}
