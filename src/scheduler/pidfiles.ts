/** The registered pidfiles, by hostname and path. */
import { posix } from 'node:path';
import { invalidArgument } from '../option/invalid-argument.js';
import { DroneManagerError } from './drone-manager-error.js';
import { pidfileLedBy } from './leader.js';
import type { ManagedDrone } from './managed-drone.js';
import type { PidfileOptions } from './pidfile-options.js';
import { Pidfile, type PidfileId, type PidfileWriter } from './pidfile.js';
import type { DroneProcess, Snapshot } from './snapshot.js';

/** A command that `executeCommand` started and whose pidfile is not registered. */
export interface OrphanedProcess extends DroneProcess {
  /** Register it to watch the command. */
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

  /** Throws a DroneManagerError (`ERR_UNKNOWN_PIDFILE`). */
  registered(id: PidfileId): Pidfile {
    const pidfile = this.get(checkPidfileId(id));
    if (pidfile) return pidfile;
    throw new DroneManagerError('ERR_UNKNOWN_PIDFILE', `pidfile ${id.path} of ${id.hostname} is not registered`);
  }

  /** Throws a DroneManagerError (`ERR_PIDFILE_REGISTERED`). */
  refuseRegistered(id: PidfileId): void {
    const known = this.get(id);
    if (!known) return;
    throw new DroneManagerError(
      'ERR_PIDFILE_REGISTERED',
      `pidfile ${id.path} of ${id.hostname} is already registered (${known.state.kind})`,
    );
  }

  add(id: PidfileId, drone: ManagedDrone, processCount: number, writtenBy: PidfileWriter): Pidfile {
    const pidfile = new Pidfile(id, drone, processCount, writtenBy);
    this.#byKey.set(keyOf(id), pidfile);
    const ofDrone = this.#byDrone.get(drone) ?? new Set();
    this.#byDrone.set(drone, ofDrone.add(pidfile));
    return pidfile;
  }

  /** Registers a pidfile on the drone of `drones`, which may be one machine, with the most room, or resets its age. */
  register(id: PidfileId, options: PidfileOptions, drones: readonly ManagedDrone[]): void {
    const { processCount, writtenBy = 'executeCommand' } = options;
    const known = this.get(id);
    if (known) {
      known.age = 0;
      known.processCount = processCount ?? known.processCount;
      return;
    }
    const room = (drone: ManagedDrone): number => drone.maxProcesses - this.countOn(drone);
    const most = Math.max(...drones.map(room));
    const drone = drones.find(each => room(each) === most);
    if (!drone) throw new DroneManagerError('ERR_UNKNOWN_HOST', `the manager has no drone ${id.hostname}`);
    this.add(id, drone, processCount ?? 1, writtenBy).mayHaveStarted();
  }

  has(pidfile: Pidfile): boolean {
    return this.get(pidfile.id) === pidfile;
  }

  /** Keeps another one that was registered in its place. */
  delete(pidfile: Pidfile): void {
    if (this.has(pidfile)) this.#byKey.delete(keyOf(pidfile.id));
    this.#byDrone.get(pidfile.drone)?.delete(pidfile);
  }

  of(drone: ManagedDrone): Pidfile[] {
    return [...(this.#byDrone.get(drone) ?? [])];
  }

  countOn(drone: ManagedDrone): number {
    let count = 0;
    for (const { processCount, takesRoom } of this.of(drone)) if (takesRoom) count += processCount;
    return count;
  }

  /** Counts one more refresh. Drops and returns pidfiles older than `maxAge`, except queued ones, which would start unwatched. */
  growOlder(maxAge: number): Pidfile[] {
    const dropped: Pidfile[] = [];
    for (const pidfile of this) {
      if (pidfile.age > maxAge && pidfile.state.kind !== 'queued') dropped.push(pidfile);
      else pidfile.age += 1;
    }
    for (const pidfile of dropped) this.delete(pidfile);
    return dropped;
  }

  /** Only those in the directory: other schedulers may run commands on the same machine. */
  orphansIn(folder: string, snapshots: ReadonlyMap<string, Snapshot>): OrphanedProcess[] {
    const registered = new Map<string, Pidfile[]>();
    for (const pidfile of this) registered.set(pidfile.id.path, [...(registered.get(pidfile.id.path) ?? []), pidfile]);
    const orphans = new Map<string, OrphanedProcess>();
    for (const process of [...snapshots.values()].flatMap(snapshot => [...snapshot.processes])) {
      const path = pidfileLedBy(process);
      if (path?.startsWith(folder.endsWith('/') ? folder : `${folder}/`) !== true) continue;
      // Two drones may be one machine: a process that both have reported is one orphan.
      const key = `${String(process.pid)} ${process.args}`;
      if (orphans.has(key) || registered.get(path)?.some(pidfile => mayStandFor(pidfile, process))) continue;
      orphans.set(key, { ...process, pidfile: { hostname: process.hostname, path } });
    }
    return [...orphans.values()];
  }
}

/** Whether a pidfile of the same path may be that of the process, also under another name of the machine. */
function mayStandFor({ id, state }: Pidfile, { hostname, pid }: DroneProcess): boolean {
  if (!('pid' in state) || state.pid === undefined || state.pid === pid) return true;
  // Of two processes with the same pidfile, the one that it does not name is an orphan.
  return id.hostname === hostname && state.kind !== 'running';
}

/** Returns the form that the drone's agent uses. Throws a TypeError (`ERR_INVALID_ARG`). */
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
