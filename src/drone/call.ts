/** One method call on one drone: what was asked, and where its value is found. */
import { inspect } from 'node:util';
import { encode } from '../codec.js';
import type { AnyDrone } from './drone.js';
import { type DroneResults, type DroneTaskQueueException, show } from '../drone-error.js';
import { invalidArgument } from '../invalid-argument.js';
import { MAX_PAYLOAD_BYTES } from '../frames.js';

/** A queued call. It finds its own value in a round's results, whatever else was queued before or after it. */
export interface Call<R = unknown> {
  readonly method: string;
  /** As given. What is sent is the copy made when the call was queued. */
  readonly args: readonly unknown[];
  /**
   * The value this call returned, from the results of its round or from the exception that the round ended with.
   * Throws an Error with code `ERR_NO_VALUE` when it has none there; its `cause` is the drone's failure, if it has one.
   */
  valueIn(round: DroneResults | DroneTaskQueueException): R;
  /** `method(1, 'x')`, shortened. */
  toString(): string;
}

/** What `drone.with(options)` sets for the calls queued through it. */
export interface CallOptions {
  /** Replaces the queue's `callTimeoutMs` for these calls, ms. The clock starts when the call may start on the drone. */
  timeoutMs?: number | undefined;
  /** May run more than once: goes back to the drone's queue when its outcome is unknown. Default false. */
  idempotent?: boolean | undefined;
  /** Ends the call when aborted: kind `cancelled`, and with it the rest of its batch. */
  signal?: AbortSignal | undefined;
  /**
   * Gets a running command's output as it comes, on the scheduler's thread. A throw ends the call: kind `callback`.
   */
  onOutput?: ((stream: 'stdout' | 'stderr', chunk: Uint8Array) => void) | undefined;
}

/** The calls whose values a results list holds, index by index. Keyed by the list, so a copied map still works. */
const callsOfValues = new WeakMap<readonly unknown[], readonly Call[]>();

/** Notes which calls `values` answers. */
export function nameValues(values: readonly unknown[], calls: readonly Call[]): void {
  callsOfValues.set(values, calls);
}

/** A call as the core sees it. */
export class QueuedCall<R = unknown> implements Call<R> {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly #options: CallOptions;
  readonly #encodedArgs: Uint8Array;
  readonly #drone: AnyDrone;

  /**
   * Throws TypeError (`ERR_INVALID_ARG`) for what is no method name, NotCloneableError (`ERR_NOT_CLONEABLE`) when an
   * argument cannot travel, and RangeError (`ERR_TOO_LARGE`) when they take more than a frame.
   */
  constructor(drone: AnyDrone, method: string, args: readonly unknown[], options: CallOptions) {
    if (typeof method !== 'string' || method === '' || method.length > MAX_METHOD_CHARS) {
      throw invalidArgument('method', method, 'the name of a method');
    }
    this.#drone = drone;
    this.method = method;
    this.args = args;
    this.#options = options;
    this.#encodedArgs = args.length === 0 ? NO_ARGS : encode(args);
    if (this.#encodedArgs.byteLength > MAX_ARGS_BYTES) {
      const size = `${String(this.#encodedArgs.byteLength)} bytes, more than the ${String(MAX_ARGS_BYTES)} that a call can hold`;
      throw Object.assign(new RangeError(`the arguments of ${method} take ${size}`), { code: 'ERR_TOO_LARGE' });
    }
  }

  get options(): CallOptions {
    return this.#options;
  }

  /** The arguments as they were when the call was queued, encoded. */
  get encodedArgs(): Uint8Array {
    return this.#encodedArgs;
  }

  valueIn(round: DroneResults | DroneTaskQueueException): R {
    const failure = 'failures' in round ? round.failures.get(this.#drone) : undefined;
    const values = failure?.completed ?? ('failures' in round ? round.results : round).get(this.#drone);
    const index = values === undefined ? -1 : (callsOfValues.get(values)?.indexOf(this) ?? -1);
    if (values === undefined || index < 0 || index >= values.length) {
      const error = new Error(`${this.#drone.hostname}: ${this.toString()} has no value in this round`, {
        cause: failure,
      });
      throw Object.assign(error, { code: 'ERR_NO_VALUE' });
    }
    return values[index] as R;
  }

  /** A printed failure shows calls as people write them. */
  [inspect.custom](): string {
    return this.toString();
  }

  toString(): string {
    return `${this.method}(${this.args.map(arg => show(arg, ARG_STYLE).slice(0, MAX_ARG_CHARS)).join(', ')})`;
  }
}

const NO_ARGS = encode([]);
const MAX_METHOD_CHARS = 1000;
/** A frame holds the names of method and utility module, too. */
const MAX_ARGS_BYTES = MAX_PAYLOAD_BYTES - 256 * 1024;
const MAX_ARG_CHARS = 80;
const ARG_STYLE = { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 5 };

/** Throws TypeError (`ERR_INVALID_ARG`) for options that no call can have. */
export function checkCallOptions(options: CallOptions): void {
  const { timeoutMs, idempotent, onOutput, signal } = options;
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0)) {
    throw invalidArgument('timeoutMs', timeoutMs, 'a number of milliseconds above 0, or Infinity');
  }
  if (onOutput !== undefined && typeof onOutput !== 'function') {
    throw invalidArgument('onOutput', onOutput, 'a function (stream, chunk)');
  }
  if (idempotent !== undefined && typeof idempotent !== 'boolean') {
    throw invalidArgument('idempotent', idempotent, 'a boolean');
  }
  checkSignal(signal);
}

/** Throws TypeError (`ERR_INVALID_ARG`) for what is there and no AbortSignal. */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument('signal', signal, 'an AbortSignal');
  }
}
