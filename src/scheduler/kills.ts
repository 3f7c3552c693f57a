/**
 * Processes that are to be ended. A pid is no name of a process for long, as it is given away again: so an order holds what
 * was known of its process, and is sent only to a drone that is fresh, and has nothing else there by now. What comes back
 * from a drone that was not reached is kept here: in the drone's queue it would go with whatever is sent there next.
 */
import { returnWorkload, takeWorkload } from '../queue/drone/drone.js';
import type { ProcessId } from '../queue/wire/methods.js';
import type { DroneStates } from './drone-states.js';
import { leads } from './leader.js';
import type { ManagedDrone } from './managed-drone.js';
import type { ManagerSettings } from './manager-options.js';
import type { Pidfiles } from './pidfiles.js';
import type { DroneProcess, Snapshot } from './snapshot.js';

interface Kill {
  /** As it is in a drone's queue, by which it is found there. */
  readonly process: ProcessId;
  /** The newest when it was ordered, and the process with its group in it. */
  readonly snapshot: Snapshot | undefined;
  readonly group: readonly DroneProcess[];
  /** That named it then. */
  readonly pidfile: string | undefined;
}

export class Kills {
  readonly #settings: ManagerSettings;
  readonly #states: DroneStates;
  readonly #pidfiles: Pidfiles;
  /** By hostname and pid: who orders it in each tick means the same one, as it is now. */
  readonly #kills = new Map<string, Kill>();
  /** Those that are in the queues of drones. */
  #queued: readonly (readonly [key: string, Kill])[] = [];

  constructor(settings: ManagerSettings, states: DroneStates, pidfiles: Pidfiles) {
    this.#settings = settings;
    this.#states = states;
    this.#pidfiles = pidfiles;
  }

  /** Throws what the drone refuses it with. */
  order(drone: ManagedDrone, wanted: ProcessId): void {
    drone.queueKillProcess(wanted);
    // The drone's own copy of it, checked.
    const { kills, calls } = takeWorkload(drone);
    const process = kills.at(-1) ?? wanted;
    returnWorkload(drone, { kills: kills.slice(0, -1), calls });
    const { hostname, pid } = process;
    const snapshot = this.#states.snapshots.get(hostname);
    const pidfile = [...this.#pidfiles].find(({ id, state }) => {
      return id.hostname === hostname && 'pid' in state && state.pid === pid;
    })?.id.path;
    const kill = { process, snapshot, group: groupIn(snapshot, pid), pidfile };
    this.#kills.set(`${hostname} ${String(pid)}`, kill);
  }

  /** Puts those that may go in front of what is queued on these drones; to be followed by `settle`. */
  queue(drones: readonly ManagedDrone[]): void {
    const queued: [string, Kill][] = [];
    for (const [key, kill] of this.#kills) {
      const { hostname, pid } = kill.process;
      const drone = drones.find(each => each.hostname === hostname && this.#states.isFresh(each));
      if (!drone) continue;
      if (isSame(kill, this.#states.snapshots.get(hostname))) {
        queued.push([key, kill]);
        returnWorkload(drone, { kills: [kill.process], calls: [] });
        continue;
      }
      this.#kills.delete(key);
      const { log } = this.#settings;
      log.info(`process ${String(pid)} of ${hostname} is not killed: it is gone, or another one`, {
        hostname,
        pid,
      });
    }
    this.#queued = queued;
  }

  /** Takes back those that were not sent, and forgets the others. */
  settle(drones: readonly ManagedDrone[]): void {
    const back = new Set<ProcessId>();
    const queued = new Set(this.#queued.map(([, { process }]) => process));
    for (const drone of drones) {
      const { kills, calls } = takeWorkload(drone);
      returnWorkload(drone, { kills: kills.filter(kill => !queued.has(kill)), calls });
      for (const kill of kills) back.add(kill);
    }
    for (const [key, kill] of this.#queued) {
      if (!back.has(kill.process) && this.#kills.get(key) === kill) this.#kills.delete(key);
    }
    this.#queued = [];
  }
}

/** The members of a group may outlive its leader, and keep its number from being given away. */
function groupIn(snapshot: Snapshot | undefined, wanted: number): DroneProcess[] {
  return [...(snapshot?.processes ?? [])].filter(({ pid, pgid }) => pid === wanted || pgid === wanted);
}

/** Whether it was ordered on the newest information there is, or that still shows what was ordered to be ended. */
function isSame({ process, snapshot, group, pidfile }: Kill, newest: Snapshot | undefined): boolean {
  if (newest === snapshot) return true;
  return groupIn(newest, process.pid).some(
    each =>
      group.some(({ pid, args }) => pid === each.pid && args === each.args) ||
      (pidfile !== undefined && leads(each, pidfile)),
  );
}
