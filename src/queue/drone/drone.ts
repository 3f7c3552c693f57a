/** The state of a drone: what is queued on it and what it can take. How it is reached is its endpoint's matter. */
import { inspect } from 'node:util';
import { CALL, type Call, type CallOptions, QueuedCall } from './call.js';
import type { Endpoint } from './endpoint.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { readOptions } from '../../option/option-table.js';
import type { MethodArgs, MethodName, ProcessId, MethodResult, UtilityMethods } from '../wire/methods.js';

/** What one round takes out of a drone. */
export interface Workload {
  readonly kills: readonly ProcessId[];
  readonly calls: readonly QueuedCall[];
}

let addCallTo: (drone: AnyDrone, call: QueuedCall) => void;
let hasWorkOf: (drone: AnyDrone) => boolean;
let takeWorkloadOf: (drone: AnyDrone) => Workload;
let returnWorkloadTo: (drone: AnyDrone, workload: Workload) => void;
let readEndpointOf: (drone: AnyDrone) => Endpoint;
let setEndpointOf: (drone: AnyDrone, endpoint: Endpoint) => void;

/** A drone without its method types: what maps and queues take. */
export abstract class AnyDrone {
  readonly hostname: string;
  /** For a drone manager: a disabled drone is given no new work. `execute` ignores it. */
  enabled = true;
  /** For a drone manager: how many processes this drone may run at once. */
  maxProcesses = 0;
  /** For a drone manager: how many it runs. */
  activeProcesses = 0;
  /** For a drone manager: who may use this drone; null for everyone. */
  allowedUsers: ReadonlySet<string> | null = null;

  // Private fields, as those of a frozen drone can be changed: in mid-round nothing may throw here.
  #calls: QueuedCall[] = [];
  #kills: ProcessId[] = [];
  #endpoint: Endpoint;

  /** @internal */
  protected constructor(hostname: string, endpoint: Endpoint) {
    if (typeof hostname !== 'string' || hostname === '')
      throw invalidArgument('hostname', hostname, 'a non-empty string');
    this.hostname = hostname;
    this.#endpoint = endpoint;
  }

  static {
    addCallTo = (drone, call) => {
      drone.#calls.push(call);
    };
    hasWorkOf = drone => drone.#kills.length > 0 || drone.#calls.length > 0;
    takeWorkloadOf = drone => {
      const workload = { kills: drone.#kills, calls: drone.#calls };
      drone.#kills = [];
      drone.#calls = [];
      return workload;
    };
    returnWorkloadTo = (drone, { kills, calls }) => {
      if (kills.length > 0) drone.#kills = [...kills, ...drone.#kills];
      if (calls.length > 0) drone.#calls = [...calls, ...drone.#calls];
    };
    readEndpointOf = drone => drone.#endpoint;
    setEndpointOf = (drone, endpoint) => {
      drone.#endpoint = endpoint;
    };
  }

  /**
   * Ends a process of this drone, with its group, in front of the next batch. Kills alone are work too.
   * Throws TypeError (`ERR_INVALID_ARG`) for a pid below 2 or another drone's process.
   */
  queueKillProcess(process: ProcessId): void {
    if (!Number.isInteger(process.pid) || process.pid < 2) {
      throw invalidArgument('process.pid', process.pid, 'an integer above 1');
    }
    if (process.hostname !== this.hostname) {
      throw invalidArgument('process.hostname', process.hostname, `this drone's, '${this.hostname}'`);
    }
    this.#kills.push({ hostname: process.hostname, pid: process.pid });
  }

  /** A copy of the calls queued for the next round. */
  getCalls(): readonly Call[] {
    return [...this.#calls];
  }

  /** Forgets the calls queued for the next round, and ends the loops that read their output. Queued kills stay. */
  clearCallQueue(): void {
    for (const { reader } of this.#calls) reader?.end();
    this.#calls = [];
  }

  /** Short in printed results and failures, of which it is the key. */
  [inspect.custom](): string {
    return `${this.constructor.name}(${this.hostname})`;
  }

  /** Whether `user` may use this drone; a null user stands for nobody in particular. */
  usableBy(user: string | null): boolean {
    return this.allowedUsers === null || (user !== null && this.allowedUsers.has(user));
  }
}

/** Throws TypeError (`ERR_INVALID_ARG`) for what is no drone of this package. */
export function checkDrone(field: string, value: unknown): void {
  if (!(value instanceof AnyDrone)) throw invalidArgument(field, value, 'a drone');
}

/** Whether a round would have anything to do for it. */
export const hasWork = (drone: AnyDrone): boolean => hasWorkOf(drone);

/** Takes the batch out of the drone; what is queued afterwards belongs to the next round. */
export const takeWorkload = (drone: AnyDrone): Workload => takeWorkloadOf(drone);

/** Puts back what certainly did not run, in front of what was queued since. */
export const returnWorkload = (drone: AnyDrone, workload: Workload): void => {
  returnWorkloadTo(drone, workload);
};

/** How the drone is reached. */
export const endpointOf = (drone: AnyDrone): Endpoint => readEndpointOf(drone);

/** From now on the drone is reached there. */
export const moveTo = (drone: AnyDrone, endpoint: Endpoint): void => {
  setEndpointOf(drone, endpoint);
};

/** The queueing side of a drone, with options set for what is queued through it. */
export interface CallQueuer<M> {
  queueCall<K extends MethodName<M>>(method: K, ...args: MethodArgs<M, K>): Call<MethodResult<M, K>>;
}

/** A host that runs calls. `M`, an interface or a module type, names its methods: its function-valued keys. */
export abstract class Drone<M = UtilityMethods> extends AnyDrone implements CallQueuer<M> {
  /**
   * Types only, never set: makes Drone<M> covariant in M, so that a fake without `run` is no ordinary drone. Protected,
   * since of private members the declarations of the built package do not tell the type; and NoInfer, or in
   * `queue.call(new LocalDrone(), …)` the drone would take its type parameter from there.
   */
  declare protected readonly methods?: NoInfer<M>;

  /**
   * Queues a call for the next round. Its arguments are copied now.
   * Throws NotCloneableError (`ERR_NOT_CLONEABLE`) when an argument cannot travel, and RangeError (`ERR_TOO_LARGE`) when
   * all of them take more than 63 MiB.
   */
  queueCall<K extends MethodName<M>>(method: K, ...args: MethodArgs<M, K>): Call<MethodResult<M, K>> {
    return this.#queue(method, args, {});
  }

  /**
   * A view of this drone whose calls carry `options`.
   * Throws TypeError (`ERR_INVALID_ARG`) for options out of range.
   */
  with(options: CallOptions): CallQueuer<M> {
    const own = readOptions(CALL, options);
    return {
      queueCall: <K extends MethodName<M>>(method: K, ...args: MethodArgs<M, K>): Call<MethodResult<M, K>> =>
        this.#queue(method, args, own),
    };
  }

  #queue<R>(method: string, args: readonly unknown[], options: CallOptions): Call<R> {
    const call = new QueuedCall<R>(this, method, args, options);
    addCallTo(this, call);
    return call;
  }
}

/**
 * Orders drones by load, the least loaded first: by active/max processes, and of equals the larger max first.
 * A drone with `maxProcesses` 0 counts as full.
 */
export function compareLoad(a: AnyDrone, b: AnyDrone): number {
  return loadOf(a) - loadOf(b) || b.maxProcesses - a.maxProcesses;
}

function loadOf(drone: AnyDrone): number {
  return drone.maxProcesses === 0 ? 1 : drone.activeProcesses / drone.maxProcesses;
}
