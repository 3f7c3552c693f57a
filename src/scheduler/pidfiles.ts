/** The registered pidfiles, by hostname and path. */
import { posix } from 'node:path';
import { invalidArgument } from '../option/invalid-argument.js';
import { DroneManagerError } from './drone-manager-error.js';
import { pidfileLedBy } from './leader.js';
import type { ManagedDrone } from './managed-drone.js';
import type { PidfileOptions } from './pidfile-options.js';
import { Pidfile, type PidfileId, type PidfileWriter } from './pidfile.js';
import type { DroneProcess, Snapshot } from './snapshot.js';

/** A command of ours that no registered pidfile stands for. */
export interface OrphanedProcess extends DroneProcess {
  /** Its pidfile: to be registered, if it is wanted. */
  readonly pidfile: PidfileId;
}

export class Pidfiles implements Iterable<Pidfile> {
  readonly #byKey = new Map<string, Pidfile>();
  readonly #byDrone = new Map<ManagedDrone, Set<Pidfile>>();

  [Symbol.iterator](): Iterator<Pidfile> {
    return this.#byKey.values();
  }

  get(id: PidfileId): Pidfile | undefined {
    return this.#byKey.get(keyOf(id));
  }

  /** Throws DroneManagerError (`ERR_UNKNOWN_PIDFILE`). */
  registered(id: PidfileId): Pidfile {
    const pidfile = this.get(checkPidfileId(id));
    if (pidfile) return pidfile;
    throw new DroneManagerError('ERR_UNKNOWN_PIDFILE', `pidfile ${id.path} of ${id.hostname} is not registered`);
  }

  /** Throws DroneManagerError (`ERR_PIDFILE_REGISTERED`). */
  refuseRegistered(id: PidfileId): void {
    const known = this.get(id);
    if (!known) return;
    throw new DroneManagerError(
      'ERR_PIDFILE_REGISTERED',
      `pidfile ${id.path} of ${id.hostname} is registered already, and ${known.state.kind}`,
    );
  }

  add(id: PidfileId, drone: ManagedDrone, processCount: number, writtenBy: PidfileWriter): Pidfile {
    const pidfile = new Pidfile(id, drone, processCount, writtenBy);
    this.#byKey.set(keyOf(id), pidfile);
    const ofDrone = this.#byDrone.get(drone) ?? new Set();
    this.#byDrone.set(drone, ofDrone.add(pidfile));
    return pidfile;
  }

  /**
   * Registers what somebody else has started, on the drone of `drones` with the most room: several may be one host. Of one
   * that is registered the age begins anew.
   */
  register(id: PidfileId, options: PidfileOptions, drones: readonly ManagedDrone[]): void {
    const { processCount, writtenBy = 'executeCommand' } = options;
    const known = this.get(id);
    if (known) {
      known.age = 0;
      known.processCount = processCount ?? known.processCount;
      return;
    }
    const room = (drone: ManagedDrone): number => drone.maxProcesses - this.countOn(drone);
    const [drone] = [...drones].sort((a, b) => room(b) - room(a));
    if (!drone) throw new DroneManagerError('ERR_UNKNOWN_HOST', `no drone of the manager is ${id.hostname}`);
    this.add(id, drone, processCount ?? 1, writtenBy).mayHaveStarted();
  }

  has(pidfile: Pidfile): boolean {
    return this.get(pidfile.id) === pidfile;
  }

  /** Not another one that was registered in its place. */
  delete(pidfile: Pidfile): void {
    if (this.has(pidfile)) this.#byKey.delete(keyOf(pidfile.id));
    this.#byDrone.get(pidfile.drone)?.delete(pidfile);
  }

  of(drone: ManagedDrone): Pidfile[] {
    return [...(this.#byDrone.get(drone) ?? [])];
  }

  /** Processes that the drone's registered pidfiles stand for. */
  countOn(drone: ManagedDrone): number {
    let count = 0;
    for (const { processCount, takesRoom } of this.of(drone)) if (takesRoom) count += processCount;
    return count;
  }

  /**
   * Another refresh has come: drops, and gives, those that nobody has read or registered for more than `maxAge` of them. Not
   * those of queued commands, which would start unwatched.
   */
  growOlder(maxAge: number): Pidfile[] {
    const dropped: Pidfile[] = [];
    for (const pidfile of this) {
      if (pidfile.age > maxAge && pidfile.state.kind !== 'queued') dropped.push(pidfile);
      else pidfile.age += 1;
    }
    for (const pidfile of dropped) this.delete(pidfile);
    return dropped;
  }

  /** Only of those in the folder: others may have commands of their own on the same host. */
  orphansIn(folder: string, snapshots: ReadonlyMap<string, Snapshot>): OrphanedProcess[] {
    const processes = [...snapshots.values()].flatMap(snapshot => [...snapshot.processes]);
    return processes.flatMap(process => {
      const pidfile = orphanIn(folder, process, this);
      return pidfile ? [{ ...process, pidfile }] : [];
    });
  }
}

/** The pidfile of a command that runs and that no registered pidfile stands for. */
function orphanIn(folder: string, process: DroneProcess, pidfiles: Pidfiles): PidfileId | undefined {
  const path = pidfileLedBy(process);
  if (path?.startsWith(folder.endsWith('/') ? folder : `${folder}/`) !== true) return undefined;
  const id = { hostname: process.hostname, path };
  const state = pidfiles.get(id)?.state;
  // Of two that run with the same pidfile, the other one than it names.
  const isClaimed = state && (state.kind !== 'running' || state.pid === process.pid);
  return isClaimed ? undefined : id;
}

/** As the drone's agent will write it. Throws TypeError (`ERR_INVALID_ARG`). */
export function checkPidfileId(id: PidfileId, field = 'id'): PidfileId {
  if (typeof id !== 'object' || id === null) throw invalidArgument(field, id, 'an object { hostname, path }');
  const { hostname, path } = id;
  if (typeof hostname !== 'string' || hostname === '') {
    throw invalidArgument(`${field}.hostname`, hostname, 'a non-empty string');
  }
  return { hostname, path: absolutePath(`${field}.path`, path) };
}

export function absolutePath(field: string, path: unknown): string {
  if (typeof path === 'string' && path.startsWith('/') && !path.includes('\0')) return posix.resolve(path);
  throw invalidArgument(field, path, 'an absolute path');
}

function keyOf({ hostname, path }: PidfileId): string {
  return `${hostname}\0${path}`;
}
