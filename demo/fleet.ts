/** What the demo ticks over: drones, and what is known beforehand about how they will do. */
import type { Call, Drone, DroneErrorKind, UtilityMethods } from 'drone-task-queue';
import type * as inventory from './inventory.js';

/** The demo's own utility methods. */
export type Inventory = typeof inventory;
export const INVENTORY = new URL('./inventory.js', import.meta.url);

export type FleetDrone = Drone<UtilityMethods & Inventory>;

/** How a drone's batch ended. */
export type Outcome = 'ok' | DroneErrorKind;

export interface Fleet extends AsyncDisposable {
  readonly title: string;
  readonly drones: readonly FleetDrone[];
  /** Makes happen what is planned for this tick, and may queue calls of its own for it. */
  prepare(tick: number): Promise<void>;
  /** How a drone's batch should end in this tick. */
  planned(tick: number, drone: FleetDrone): Outcome;
}

/** A drone's answers can be told from all others. */
export interface Echo {
  readonly drone: FleetDrone;
  readonly said: string;
  readonly call: Call<{ readonly stdout: string }>;
}

/** What every drone is asked in every tick. */
export function queueTick(drone: FleetDrone, tick: number): Echo {
  const said = `tick ${String(tick)} on ${drone.hostname}`;
  const call = drone.queueCall('run', `echo '${said}'`);
  drone.queueCall('inventory');
  return { drone, said, call };
}
