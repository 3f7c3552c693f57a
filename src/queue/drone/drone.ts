/** The state of a drone: what is queued on it and what it can take. Its endpoint knows how to reach it. */
import { inspect } from 'node:util';
import { CALL, type Call, type CallDefaults, type CallOptions, QueuedCall } from './call.js';
import type { Endpoint } from './endpoint.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { readOptions } from '../../option/option-table.js';
import type { MethodArgs, MethodName, ProcessId, MethodResult, UtilityMethods } from '../wire/methods.js';

/** What one round takes out of a drone. */
export interface Workload {
  readonly kills: readonly ProcessId[];
  readonly calls: readonly QueuedCall[];
}

const NO_DEFAULTS: CallDefaults = {};

// Assigned in AnyDrone's static block, where its private fields are in reach.
let addCallTo: (drone: AnyDrone, call: QueuedCall) => void;
let callCountOf: (drone: AnyDrone) => number;
let readDefaultsOf: (drone: AnyDrone) => CallDefaults;
/** Whether a round would have anything to do for it. */
export let hasWork: (drone: AnyDrone) => boolean;
/** Takes the batch out of the drone; what is queued afterwards belongs to the next round. */
export let takeWorkload: (drone: AnyDrone) => Workload;
/** Puts back what certainly did not run, in front of what was queued since. */
export let returnWorkload: (drone: AnyDrone, workload: Workload) => void;
/** How the drone is reached. */
export let endpointOf: (drone: AnyDrone) => Endpoint;
/** Changes where the drone is reached. */
export let moveTo: (drone: AnyDrone, endpoint: Endpoint) => void;

/** A drone without its method types: the type that maps and queues take. */
export abstract class AnyDrone {
  readonly hostname: string;
  /** For a drone manager: a disabled drone gets no new work. `execute` ignores this field. */
  enabled = true;
  /** For a drone manager: how many processes this drone may run at once; 0 for none, `Infinity` for no limit. Default 1. */
  maxProcesses = 1;
  /** For a drone manager: how many processes it runs. */
  activeProcesses = 0;
  /** For a drone manager: who may use this drone; null for everyone. */
  allowedUsers: ReadonlySet<string> | null = null;
  /**
   * How many calls may be queued on the drone, or be in flight through `queue.call`. One more throws a RangeError
   * (`ERR_TOO_MANY_CALLS`): usually no round runs them, or the drone is down and each tick adds some.
   */
  maxQueuedCalls = 10_000;

  // Private, since a frozen drone's private fields can still change: nothing may throw here in mid-round.
  #calls: QueuedCall[] = [];
  #kills: ProcessId[] = [];
  #endpoint: Endpoint;
  readonly #defaults: CallDefaults;

  /** @internal */
  protected constructor(hostname: string, endpoint: Endpoint, defaults: CallDefaults = NO_DEFAULTS) {
    if (typeof hostname !== 'string' || hostname === '')
      throw invalidArgument('hostname', hostname, 'a non-empty string');
    this.hostname = hostname;
    this.#endpoint = endpoint;
    this.#defaults = defaults;
  }

  static {
    addCallTo = (drone, call) => {
      drone.#calls.push(call);
    };
    callCountOf = drone => drone.#calls.length;
    readDefaultsOf = drone => drone.#defaults;
    hasWork = drone => drone.#kills.length > 0 || drone.#calls.length > 0;
    takeWorkload = drone => {
      const workload = { kills: drone.#kills, calls: drone.#calls };
      drone.#kills = [];
      drone.#calls = [];
      return workload;
    };
    returnWorkload = (drone, { kills, calls }) => {
      if (kills.length > 0) drone.#kills = [...kills, ...drone.#kills];
      if (calls.length > 0) drone.#calls = [...calls, ...drone.#calls];
    };
    endpointOf = drone => drone.#endpoint;
    moveTo = (drone, endpoint) => {
      drone.#endpoint = endpoint;
    };
  }

  /**
   * Ends a process on this drone and its process group, before the calls of the next batch. Kills alone also count as
   * work. Throws a TypeError (`ERR_INVALID_ARG`) for a pid below 2 or a process of another drone.
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

  /**
   * Puts calls of this drone at the front of its queue, such as `failure.notStarted` after a round with
   * `leftovers: 'drop'`. Their `output()` can be called again.
   *
   * Throws a TypeError (`ERR_INVALID_ARG`) for a call of another drone or one that is queued or in flight, and a
   * RangeError (`ERR_TOO_MANY_CALLS`) if `maxQueuedCalls` is exceeded; in these cases no call is queued.
   */
  requeue(calls: Iterable<Call>): void {
    const queued = new Set<Call>(this.#calls);
    const list: QueuedCall[] = [];
    for (const call of calls) {
      if (!(call instanceof QueuedCall) || !call.isOf(this)) {
        throw invalidArgument('calls', call, `calls of this drone, '${this.hostname}'`);
      }
      if (queued.has(call) || call.isInFlight) {
        throw invalidArgument('calls', call, 'calls that are neither queued nor in flight');
      }
      queued.add(call);
      list.push(call);
    }
    if (list.length === 0) return;
    checkCallCount(this, queued.size - 1);
    for (const call of list) call.renewOutput();
    this.#calls = [...list, ...this.#calls];
  }

  /** Removes the calls queued for the next round, and ends the loops that read their output. Queued kills stay. */
  clearCallQueue(): void {
    for (const { reader } of this.#calls) reader?.end();
    this.#calls = [];
  }

  /** Short, because it is the key of printed results and failures. */
  [inspect.custom](): string {
    return `${this.constructor.name}(${this.hostname})`;
  }

  /** Whether `user` may use this drone; null stands for no particular user. */
  usableBy(user: string | null): boolean {
    return this.allowedUsers === null || (user !== null && this.allowedUsers.has(user));
  }
}

/** Throws a TypeError (`ERR_INVALID_ARG`) for anything but a drone of this package. */
export function checkDrone(field: string, value: unknown): asserts value is AnyDrone {
  if (!(value instanceof AnyDrone)) throw invalidArgument(field, value, 'a drone');
}

/** Lists them. Throws a TypeError (`ERR_INVALID_ARG`) for anything but drones, such as a single one. */
export function listDrones<D extends AnyDrone>(drones: Iterable<D>): D[] {
  if (typeof (drones as Partial<Iterable<D>> | undefined)?.[Symbol.iterator] !== 'function') {
    throw invalidArgument('drones', drones, 'a list of drones');
  }
  const list = [...drones];
  for (const [at, drone] of list.entries()) checkDrone(`drones[${String(at)}]`, drone);
  return list;
}

/**
 * Refuses a further call on a drone that has `calls` calls.
 *
 * - `ERR_TOO_MANY_CALLS` (RangeError): `maxQueuedCalls` calls are already waiting or running on the drone. The call was
 *   not queued. Run a round, use `leftovers: 'drop'` if each tick queues the same calls, or clear the queue.
 */
export function checkCallCount({ hostname, maxQueuedCalls }: AnyDrone, calls: number): void {
  if (calls < maxQueuedCalls) return;
  const many = `${hostname}: ${String(calls)} calls wait or run, and its maxQueuedCalls is ${String(maxQueuedCalls)}`;
  const mend = "run a round, use leftovers: 'drop' if each tick queues the same calls, or clearCallQueue()";
  throw Object.assign(new RangeError(`${many}: ${mend}`), { code: 'ERR_TOO_MANY_CALLS' });
}

/** The queueing side of a drone, with options for calls that are queued through it. */
export interface CallQueuer<M> {
  /** Like `Drone.queueCall`, with these options. */
  queueCall<K extends MethodName<M>>(method: K, ...args: MethodArgs<M, K>): Call<MethodResult<M, K>>;
}

/** A host that runs calls. `M`, an interface or a module type, names its methods: its function-valued keys. */
export abstract class Drone<M = UtilityMethods> extends AnyDrone implements CallQueuer<M> {
  /**
   * For types only, never set: makes Drone<M> covariant in M, so that a fake without `run` is not an ordinary drone.
   * Protected, because built declarations drop the types of private members. NoInfer, because otherwise
   * `queue.call(new LocalDrone(), …)` would infer the drone's type parameter from here.
   */
  declare protected readonly methods?: NoInfer<M>;

  /**
   * Queues a call for the next round. Its arguments are copied now. Throws a NotCloneableError (`ERR_NOT_CLONEABLE`) if
   * an argument cannot be sent, and a RangeError if the arguments take more than 63 MiB (`ERR_TOO_LARGE`) or
   * `maxQueuedCalls` is exceeded (`ERR_TOO_MANY_CALLS`).
   */
  queueCall<K extends MethodName<M>>(method: K, ...args: MethodArgs<M, K>): Call<MethodResult<M, K>> {
    return queueOn(this, method, args, readDefaultsOf(this));
  }

  /**
   * A view of this drone whose calls carry `options`: `drone.with(options).queueCall(…)`, or
   * `queue.call(drone.with(options), …)`. The drone's `defaults` apply to options that are absent. Throws a TypeError
   * (`ERR_INVALID_ARG`) for options out of range.
   */
  with(options: CallOptions): CallQueuer<M> {
    const defaults = readDefaultsOf(this);
    const own = readOptions(CALL, options);
    const { timeoutMs = defaults.timeoutMs, idempotent = defaults.idempotent } = own;
    return new DroneView(this, { ...own, timeoutMs, idempotent });
  }
}

/** The target of `queue.call`: a drone, or a drone with options. */
export type CallTarget<M> = Drone<M> | CallQueuer<M>;

class DroneView<M> implements CallQueuer<M> {
  readonly drone: Drone<M>;
  readonly options: CallOptions;

  constructor(drone: Drone<M>, options: CallOptions) {
    this.drone = drone;
    this.options = options;
  }

  queueCall<K extends MethodName<M>>(method: K, ...args: MethodArgs<M, K>): Call<MethodResult<M, K>> {
    return queueOn(this.drone, method, args, this.options);
  }
}

/** Throws a TypeError (`ERR_INVALID_ARG`) for anything but a drone, or one with options. */
export function targetOf(field: string, target: unknown): { drone: AnyDrone; options: CallOptions } {
  if (target instanceof DroneView) return target as DroneView<unknown>;
  checkDrone(field, target);
  return { drone: target, options: readDefaultsOf(target) };
}

/**
 * As `target.queueCall`, whatever the drone's `maxQueuedCalls`: for a caller that withdraws what no round has run.
 * @internal
 */
export function queueBeyondLimit<M, K extends MethodName<M>>(
  target: CallTarget<M>,
  method: K,
  ...args: MethodArgs<M, K>
): Call<MethodResult<M, K>> {
  const { drone, options } = targetOf('target', target);
  const call = new QueuedCall<MethodResult<M, K>>(drone, method, args, options);
  addCallTo(drone, call);
  return call;
}

function queueOn<R>(drone: AnyDrone, method: string, args: readonly unknown[], options: CallOptions): Call<R> {
  const call = new QueuedCall<R>(drone, method, args, options);
  checkCallCount(drone, callCountOf(drone));
  addCallTo(drone, call);
  return call;
}

/**
 * Orders drones by load, the least loaded first: by active/max processes, and among equals by the larger maximum. A
 * drone with `maxProcesses` 0 counts as full.
 */
export function compareLoad(a: AnyDrone, b: AnyDrone): number {
  return loadOf(a) - loadOf(b) || Number(b.maxProcesses > a.maxProcesses) - Number(a.maxProcesses > b.maxProcesses);
}

function loadOf(drone: AnyDrone): number {
  return drone.maxProcesses === 0 ? 1 : drone.activeProcesses / drone.maxProcesses;
}
