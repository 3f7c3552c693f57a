/**
 * Requests to end processes. The system reuses pids, so a request records what was known of its process, and goes only to a
 * fresh drone on which that process still has its pid. A request that did not reach its drone is kept here: in the drone's
 * queue, the next round of anyone would send it.
 */
import { returnWorkload, takeWorkload } from '../queue/drone/drone.js';
import type { ProcessId } from '../queue/wire/methods.js';
import { leads } from './leader.js';
import type { ManagedDrone } from './managed-drone.js';
import type { ManagerParts } from './manager-parts.js';
import type { DroneProcess, Snapshot } from './snapshot.js';

interface Kill {
  /** The object that is in the drone's queue, which identifies it there. */
  readonly process: ProcessId;
  /** The newest at the time of the request. */
  readonly snapshot: Snapshot | undefined;
  /** The process and its group in that snapshot. */
  readonly group: readonly DroneProcess[];
  /** The pidfile that named the process then. */
  readonly pidfile: string | undefined;
}

export class Kills {
  readonly #parts: ManagerParts;
  /** By hostname and pid: a request that is repeated in each tick replaces the last. */
  readonly #kills = new Map<string, Kill>();
  /** Requests in the queues of drones. */
  #queued: readonly (readonly [key: string, Kill])[] = [];

  constructor(parts: ManagerParts) {
    this.#parts = parts;
  }

  /** Throws what the drone throws for a bad argument. */
  request(drone: ManagedDrone, wanted: ProcessId): void {
    drone.queueKillProcess(wanted);
    // The drone's own, checked copy.
    const { kills, calls } = takeWorkload(drone);
    const process = kills.at(-1) ?? wanted;
    returnWorkload(drone, { kills: kills.slice(0, -1), calls });
    const { hostname, pid } = process;
    const snapshot = this.#parts.states.snapshots.get(hostname);
    const pidfile = [...this.#parts.pidfiles].find(({ id, state }) => {
      return id.hostname === hostname && 'pid' in state && state.pid === pid;
    })?.id.path;
    const kill = { process, snapshot, group: groupIn(snapshot, pid), pidfile };
    this.#kills.set(`${hostname} ${String(pid)}`, kill);
  }

  /** Queues the requests that may go ahead of the calls on these drones. The caller calls `settle` after the round. */
  queue(drones: readonly ManagedDrone[]): void {
    const { settings, states } = this.#parts;
    const queued: [string, Kill][] = [];
    for (const [key, kill] of this.#kills) {
      const { hostname, pid } = kill.process;
      const drone = drones.find(each => each.hostname === hostname && states.isFresh(each));
      if (!drone) continue;
      if (isSame(kill, states.snapshots.get(hostname))) {
        queued.push([key, kill]);
        returnWorkload(drone, { kills: [kill.process], calls: [] });
        continue;
      }
      this.#kills.delete(key);
      const message = `process ${String(pid)} of ${hostname} was not killed: it is gone, or its pid belongs to another process`;
      settings.log.info(message, { hostname, pid });
    }
    this.#queued = queued;
  }

  /** Takes back the requests that were not sent and forgets the others. */
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

/** Members of a group may outlive its leader; the system does not reuse the group's number before they end. */
function groupIn(snapshot: Snapshot | undefined, wanted: number): DroneProcess[] {
  return [...(snapshot?.processes ?? [])].filter(({ pid, pgid }) => pid === wanted || pgid === wanted);
}

/** Whether the newest snapshot is that of the request, or still shows a process of the request. */
function isSame({ process, snapshot, group, pidfile }: Kill, newest: Snapshot | undefined): boolean {
  if (newest === snapshot) return true;
  return groupIn(newest, process.pid).some(
    each =>
      group.some(({ pid, args }) => pid === each.pid && args === each.args) ||
      (pidfile !== undefined && leads(each, pidfile)),
  );
}
