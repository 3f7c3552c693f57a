/**
 * Commands that were ordered, from the queueing of their calls until a round has told what became of them.
 *
 * A command's calls are those that write its attached files, then `executeCommand` itself, and they stay together: should
 * one of the files not be written for certain, the command is withdrawn, as it must not start without it. One that is given
 * up while a round has it stays here, as the round may put it back, and is withdrawn then.
 */
import { posix } from 'node:path';
import type { Call } from '../queue/drone/call.js';
import type { DroneError } from '../queue/drone/drone-error.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { DroneManagerError } from './drone-manager-error.js';
import type { Pidfile, PidfileId } from './pidfile.js';
import { absolutePath, type Pidfiles } from './pidfiles.js';
import type { ManagedDrone } from './managed-drone.js';
import { withdraw } from './withdraw.js';

/** Stands in a command for the working directory that it is run in. */
export const WORKING_DIRECTORY: unique symbol = Symbol('WORKING_DIRECTORY');

/** What became of commands in a round. */
export interface ExecutionReport {
  /** They run, or have run by now. */
  readonly started: readonly { readonly id: PidfileId; readonly pid: number }[];
  /** Certainly not started, and no longer registered: `error` says why. */
  readonly failedToStart: readonly { readonly id: PidfileId; readonly error: Error }[];
  /** Certainly not started: still queued, and sent by the next `executeActions`. */
  readonly queued: readonly PidfileId[];
  /** They may have started. Still registered: a refresh will tell, see `pidfileState`. */
  readonly unsure: readonly PidfileId[];
}

/** A command as `executeCommand` of the drone takes it. */
export interface CommandOrder {
  readonly command: readonly (string | typeof WORKING_DIRECTORY)[];
  readonly workingDirectory: string;
  readonly pidfileName: string;
  readonly logFile: string | undefined;
  readonly env: Readonly<Record<string, string>> | undefined;
}

/** The calls that one drone ran in a round, and what came of them. */
export interface BatchOutcome {
  readonly drone: ManagedDrone;
  readonly batch: readonly Call[];
  readonly values: readonly unknown[];
  readonly failure: DroneError | undefined;
}

interface Execution {
  readonly pidfile: Pidfile;
  readonly drone: ManagedDrone;
  /** Those that are not known to be written. */
  files: readonly Call[];
  readonly command: Call;
  /** It shall not start any more, and nobody wants to know. */
  isGivenUp: boolean;
}

type Fate =
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'queued' }
  | { readonly kind: 'unsure' }
  | { readonly kind: 'failed'; readonly error: Error };

/** An ExecutionReport that is being written, without what is still queued. */
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

  /** Gives the path that the file will have. */
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

  /** Forgets the files that wait for a command in this folder: whether there were any. */
  detach(folder: string): boolean {
    return this.#attached.delete(folder);
  }

  /**
   * Registers its pidfile and queues all of its calls, or does nothing: throws what one of them was refused with, or
   * DroneManagerError (`ERR_PIDFILE_REGISTERED`).
   */
  queue(drone: ManagedDrone, processCount: number, order: CommandOrder): Pidfile {
    const { workingDirectory, pidfileName, logFile, env } = order;
    const id = { hostname: drone.hostname, path: absolutePath('path', `${workingDirectory}/${pidfileName}`) };
    this.#pidfiles.refuseRegistered(id);
    const pidfile = this.#pidfiles.add(id, drone, processCount, 'executeCommand');
    const command = order.command.map(word => (word === WORKING_DIRECTORY ? workingDirectory : word));
    const files: Call[] = [];
    try {
      for (const [path, contents] of this.#attached.get(workingDirectory) ?? []) {
        files.push(drone.queueCall('writeToFile', path, contents));
      }
      const call = drone.queueCall('executeCommand', command, { workingDirectory, pidfileName, logFile, env });
      this.#waiting.set(pidfile, { pidfile, drone, files, command: call, isGivenUp: false });
    } catch (error) {
      withdraw(drone, files);
      this.#pidfiles.delete(pidfile);
      throw error;
    }
    this.#attached.delete(workingDirectory);
    return pidfile;
  }

  /** It shall not start, if it has not: whether that is certain. */
  withdraw(pidfile: Pidfile): boolean {
    const execution = this.#waiting.get(pidfile);
    if (!execution) return false;
    execution.isGivenUp = true;
    return this.#takeBack(execution);
  }

  /** Of commands that have not been sent. */
  get queued(): PidfileId[] {
    return [...this.#waiting.values()].flatMap(({ isGivenUp, pidfile }) => (isGivenUp ? [] : [pidfile.id]));
  }

  /** A round is about to take what is queued on the drone; to be followed by `settle`. Gives its batch. */
  send(drone: ManagedDrone): readonly Call[] {
    const queued = new Set(drone.getCalls());
    for (const execution of this.#on(drone)) {
      // Put back by a round of somebody else's.
      if (execution.isGivenUp) this.#takeBack(execution);
      else if (queued.has(execution.command)) execution.pidfile.mayHaveStarted();
    }
    return drone.getCalls();
  }

  /** Tells the pidfiles what became of their commands in a drone's batch, and notes it. */
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
        // At once: its name may be given to another while the rounds go on.
        this.#pidfiles.delete(pidfile);
        notes.failedToStart.push({ id, error: fate.error });
        return;
    }
  }

  #on(drone: ManagedDrone): Execution[] {
    return [...this.#waiting.values()].filter(execution => execution.drone === drone);
  }

  /** Takes its calls out of the drone's queue: whether the command was among them. */
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
    if (execution.files.every(file => back.has(file))) return { kind: 'queued' };
    const message = `${pidfile.id.path} is not started: a file attached to it may not have been written`;
    return { kind: 'failed', error: new DroneManagerError('ERR_NOT_ATTACHED', message, { cause: failure }) };
  }
  // Run, or cleared, by somebody else's round: with index -1 nothing below is true of it.
  const index = batch.indexOf(command);
  if (index >= 0 && index < values.length) {
    const pid = pidIn(values[index]);
    return pid === undefined ? { kind: 'unsure' } : { kind: 'started', pid };
  }
  const threw = failure?.kind === 'call' && failure.call === command && !failure.mayHaveRun.includes(command);
  return threw ? { kind: 'failed', error: failure } : { kind: 'unsure' };
}

/** What a drone says is not trusted. */
function pidIn(value: unknown): number | undefined {
  const pid = typeof value === 'object' && value !== null && 'pid' in value ? value.pid : undefined;
  return typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}
