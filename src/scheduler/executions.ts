/**
 * Commands from the queueing of their calls until a round has shown what became of them.
 *
 * A command's calls write its attached files, then run `executeCommand`. Unless all files are certainly written, the command
 * is withdrawn, as it must not start without them. A command that is given up during a round stays here, as the round may put
 * it back; it is withdrawn then.
 */
import { posix } from 'node:path';
import type { Call } from '../queue/drone/call.js';
import type { DroneError } from '../queue/drone/drone-error.js';
import { ERROR_KINDS } from '../queue/drone/error-kinds.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { DroneManagerError } from './drone-manager-error.js';
import type { Pidfile, PidfileId } from './pidfile.js';
import { absolutePath, type Pidfiles } from './pidfiles.js';
import type { ManagedDrone } from './managed-drone.js';
import { withdraw } from './withdraw.js';

/** In a command, stands for its working directory. */
export const WORKING_DIRECTORY: unique symbol = Symbol('WORKING_DIRECTORY');

/** The outcome of commands in a round. */
export interface ExecutionReport {
  /** Started; some may have ended by now. */
  readonly started: readonly { readonly id: PidfileId; readonly pid: number }[];
  /**
   * Certainly not started, for the reason in `error`, and no longer registered. This includes commands whose drone was
   * unavailable: otherwise commands for a drone that is down would pile up and all start when it is back.
   */
  readonly failedToStart: readonly { readonly id: PidfileId; readonly error: Error }[];
  /** Certainly not started and still queued; the next `executeActions` sends them. */
  readonly queued: readonly PidfileId[];
  /** They may have started and are still registered. A refresh updates their `pidfileState`. */
  readonly unsure: readonly PidfileId[];
}

/** A command as `executeCommand` of the drone takes it. */
export interface CommandSpec {
  readonly command: readonly (string | typeof WORKING_DIRECTORY)[];
  readonly workingDirectory: string;
  readonly pidfileName: string;
  readonly logFile: string | undefined;
  readonly env: Readonly<Record<string, string>> | undefined;
}

export interface BatchOutcome {
  readonly drone: ManagedDrone;
  readonly batch: readonly Call[];
  readonly values: readonly unknown[];
  readonly failure: DroneError | undefined;
}

interface Execution {
  readonly pidfile: Pidfile;
  readonly drone: ManagedDrone;
  /** Files that are not known to be written. */
  files: readonly Call[];
  readonly command: Call;
  /** Its pidfile was unregistered: it must not start, and is not reported. */
  isGivenUp: boolean;
}

type Fate =
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'queued' }
  | { readonly kind: 'unsure' }
  | { readonly kind: 'failed'; readonly error: Error };

/** An ExecutionReport in the making, without `queued`. */
export type ExecutionNotes = {
  readonly [K in 'started' | 'failedToStart' | 'unsure']: ExecutionReport[K][number][];
};

export class Executions {
  readonly #pidfiles: Pidfiles;
  readonly #waiting = new Map<Pidfile, Execution>();
  /** Contents by name, by working directory. */
  readonly #attached = new Map<string, Map<string, string | Uint8Array>>();

  constructor(pidfiles: Pidfiles) {
    this.#pidfiles = pidfiles;
  }

  /** Returns the path of the file. */
  attach(folder: string, name: string, contents: string | Uint8Array): string {
    const path = posix.join(folder, name);
    if (!path.startsWith(`${folder}/`) || path.endsWith('/')) {
      throw invalidArgument('name', name, 'the name of a file in the working directory');
    }
    const files = this.#attached.get(folder) ?? new Map<string, string | Uint8Array>();
    if (files.has(path)) throw new DroneManagerError('ERR_ATTACHED_TWICE', `${path} is attached already`);
    files.set(path, typeof contents === 'string' ? contents : contents.slice());
    this.#attached.set(folder, files);
    return path;
  }

  detach(folder: string): boolean {
    return this.#attached.delete(folder);
  }

  /** Registers its pidfile and queues all of its calls, or throws what refuses one of them and does neither. */
  queue(drone: ManagedDrone, processCount: number, spec: CommandSpec): Pidfile {
    const { workingDirectory, pidfileName, logFile, env } = spec;
    const id = { hostname: drone.hostname, path: absolutePath('path', `${workingDirectory}/${pidfileName}`) };
    this.#pidfiles.refuseRegistered(id);
    const pidfile = this.#pidfiles.add(id, drone, processCount, 'executeCommand');
    const command = spec.command.map(word => (word === WORKING_DIRECTORY ? workingDirectory : word));
    const files: Call[] = [];
    // Whatever the drone's defaults say: a retry would start the command, or append, twice.
    const once = drone.with({ idempotent: false });
    try {
      for (const [path, contents] of this.#attached.get(workingDirectory) ?? []) {
        files.push(once.queueCall('appendToFile', path, contents));
      }
      const call = once.queueCall('executeCommand', command, { workingDirectory, pidfileName, logFile, env });
      this.#waiting.set(pidfile, { pidfile, drone, files, command: call, isGivenUp: false });
    } catch (error) {
      withdraw(drone, files);
      this.#pidfiles.delete(pidfile);
      throw error;
    }
    this.#attached.delete(workingDirectory);
    return pidfile;
  }

  /** Returns whether the command certainly never starts. */
  withdraw(pidfile: Pidfile): boolean {
    const execution = this.#waiting.get(pidfile);
    if (!execution) return false;
    execution.isGivenUp = true;
    return this.#takeBack(execution);
  }

  /** The pidfiles of commands that have not been sent. */
  get queued(): PidfileId[] {
    return [...this.#waiting.values()].flatMap(({ isGivenUp, pidfile }) => (isGivenUp ? [] : [pidfile.id]));
  }

  /** Prepares a round on the drone and returns its batch. The caller calls `settle` after the round. */
  send(drone: ManagedDrone): readonly Call[] {
    const queued = new Set(drone.getCalls());
    for (const execution of this.#on(drone)) {
      // A round of the user's has put it back.
      if (execution.isGivenUp) this.#takeBack(execution);
      else if (queued.has(execution.command)) execution.pidfile.mayHaveStarted();
    }
    return drone.getCalls();
  }

  /** Updates the pidfiles and the notes with the outcome of a drone's batch. */
  settle(outcome: BatchOutcome, notes: ExecutionNotes): void {
    for (const execution of this.#on(outcome.drone)) {
      const { pidfile, isGivenUp } = execution;
      const fate = fateOf(execution, outcome);
      if (fate.kind === 'queued') {
        if (isGivenUp) this.#takeBack(execution);
        else pidfile.isQueuedAgain();
        continue;
      }
      this.#waiting.delete(pidfile);
      if (fate.kind === 'failed') this.#takeBack(execution);
      if (!isGivenUp) this.#note(pidfile, fate, notes);
    }
  }

  #note(pidfile: Pidfile, fate: Exclude<Fate, { kind: 'queued' }>, notes: ExecutionNotes): void {
    const { id } = pidfile;
    switch (fate.kind) {
      case 'started':
        pidfile.hasStarted(fate.pid);
        notes.started.push({ id, pid: fate.pid });
        return;
      case 'unsure':
        pidfile.mayHaveStarted();
        notes.unsure.push(id);
        return;
      case 'failed':
        // At once: the user may reuse its name during the next rounds.
        this.#pidfiles.delete(pidfile);
        notes.failedToStart.push({ id, error: fate.error });
        return;
    }
  }

  #on(drone: ManagedDrone): Execution[] {
    return [...this.#waiting.values()].filter(execution => execution.drone === drone);
  }

  /** Withdraws its calls from the drone's queue. Returns whether the command was among them. */
  #takeBack({ drone, pidfile, files, command }: Execution): boolean {
    const isBack = withdraw(drone, [...files, command]).has(command);
    if (isBack) this.#waiting.delete(pidfile);
    return isBack;
  }
}

function fateOf(execution: Execution, { drone, batch, values, failure }: BatchOutcome): Fate {
  const { command, pidfile } = execution;
  const back = new Set(drone.getCalls());
  const written = new Set(batch.slice(0, values.length));
  execution.files = execution.files.filter(file => !written.has(file));
  if (back.has(command)) {
    if (failure && ERROR_KINDS[failure.kind].blames === 'drone') return { kind: 'failed', error: failure };
    if (execution.files.every(file => back.has(file))) return { kind: 'queued' };
    const message = `${pidfile.id.path} was not started: a file attached to it may not have been written`;
    return { kind: 'failed', error: new DroneManagerError('ERR_NOT_ATTACHED', message, { cause: failure }) };
  }
  // -1 if a round of the user's ran or cleared it: it is `unsure` then.
  const index = batch.indexOf(command);
  if (index >= 0 && index < values.length) {
    const pid = pidIn(values[index]);
    return pid === undefined ? { kind: 'unsure' } : { kind: 'started', pid };
  }
  const threw = failure?.kind === 'call' && failure.call === command && !failure.mayHaveRun.includes(command);
  return threw ? { kind: 'failed', error: failure } : { kind: 'unsure' };
}

/** A drone's values are not trusted. */
function pidIn(value: unknown): number | undefined {
  const pid = typeof value === 'object' && value !== null && 'pid' in value ? value.pid : undefined;
  return typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}
