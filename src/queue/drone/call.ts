/** One method call on one drone, and the way to its value. */
import { inspect } from 'node:util';
import { encode } from '../wire/codec/codec.js';
import { CallOutput, type OutputChunk } from './call-output.js';
import { show } from './show.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { abortSignal, flag, func, timeLimit } from '../../option/option-kinds.js';
import { group, type Option, type Table } from '../../option/option-table.js';
import { MAX_PAYLOAD_BYTES } from '../wire/frames.js';
import type { ProcessId } from '../wire/methods.js';

/**
 * The values of one drone in a round, in the order of its calls. The list cannot be indexed, because after an outage
 * the first value may belong to an older call: `call.valueIn(results)` finds a call's value, and `entriesOf(values)`
 * returns each value with its call.
 */
export interface DroneValues extends Iterable<unknown> {
  readonly length: number;
}

/** A value with the call that returned it. */
export interface CallValue {
  readonly call: Call;
  readonly value: unknown;
}

/** A queued call. It finds its own value in a round's results, whatever else was queued. */
export interface Call<R = unknown> {
  readonly method: string;
  /** The arguments as given. The drone gets a copy that was made when the call was queued. */
  readonly args: readonly unknown[];
  /**
   * The value that this call returned, from the results of its round (`DroneResults`) or from its
   * `DroneTaskQueueException`. Throws a TypeError (`ERR_INVALID_ARG`) for anything other than a round's results, such
   * as one drone's failure, and an Error:
   *
   * - `ERR_NO_VALUE`: the call has no value in this round. `cause` is the drone's failure, if any.
   */
  valueIn(
    round:
      | ReadonlyMap<{ readonly hostname: string }, DroneValues>
      | {
          readonly results: ReadonlyMap<{ readonly hostname: string }, DroneValues>;
          readonly failures: ReadonlyMap<{ readonly hostname: string }, { readonly completed: DroneValues }>;
        },
  ): R;
  /**
   * A running command's live output for a `for await` loop. Call this method before the round starts. Only `run` has
   * output.
   *
   * The command waits for the loop: it is never more than 256 KiB ahead. Leaving the loop early drops the rest of the
   * output; the command continues. The loop ends without an error when the call ends, whether it succeeded or failed:
   * the round reports that. If the call returns to the drone's queue, the loop continues with the next round;
   * `drone.clearCallQueue()` ends it.
   *
   * Throws an Error:
   *
   * - `ERR_OUTPUT_TAKEN`: the call has an `onOutput`, or `output()` was called before. Use one of them, once.
   * - `ERR_OUTPUT_TOO_LATE`: the call is no longer in its drone's queue. Call `output()` before the round starts.
   */
  output(): AsyncIterable<OutputChunk>;
  /** `method(1, 'x')`, shortened. */
  toString(): string;
}

/** What `drone.with(options)` sets for calls that are queued through it. */
export interface CallOptions {
  /** Replaces the queue's `callTimeoutMs`, ms. The clock starts when the call may start on the drone. */
  timeoutMs?: number | undefined;
  /**
   * Whether the call may run more than once: then it may be retried within the round (see RetryOptions), and returns to
   * the drone's queue if its outcome is unknown. Default false.
   */
  idempotent?: boolean | undefined;
  /**
   * Ends the call (kind `cancelled`) and the rest of its batch when it aborts. A call that has not started by then
   * never starts. It returns to the drone's queue only if its batch failed before its turn.
   */
  signal?: AbortSignal | undefined;
  /**
   * Receives a running command's output live, on the scheduler's thread. It may return a promise: the next chunk comes
   * once that has resolved, and the command waits, at most 256 KiB ahead. If it throws or rejects, the call ends with
   * kind `callback`. The round waits until `onOutput` has taken all output, unless a deadline, a signal or a lost
   * connection ends the round.
   *
   * The receiver may keep a chunk. It may end within a multi-byte character: see TextDecoder's `stream`.
   */
  onOutput?: ((stream: 'stdout' | 'stderr', chunk: Uint8Array) => void | Promise<void>) | undefined;
  /**
   * Reports the progress of a transfer (`putFile`, `getFile`, `putDirectory`, `getDirectory`) on the scheduler's
   * thread: once per MiB, and at the end of a transfer that succeeds. If it throws or rejects, the call ends with kind
   * `callback`. For the total of a directory, the sizes of its files are added up before the first one is sent. The
   * counts start again if the call is retried.
   */
  onProgress?: ((progress: TransferProgress) => void) | undefined;
}

/** The progress of a transfer. */
export interface TransferProgress {
  /** Bytes of file contents sent or received so far. Up to 2 MiB of sent bytes may not have arrived yet. */
  readonly bytes: number;
  /** Total bytes of the file, or of all files of the directory as of the start; undefined until the total is known. */
  readonly totalBytes: number | undefined;
}

export const CALL = {
  timeoutMs: timeLimit(),
  idempotent: flag(),
  signal: abortSignal(),
  onOutput: func<NonNullable<CallOptions['onOutput']>>('(stream, chunk)'),
  onProgress: func<NonNullable<CallOptions['onProgress']>>('(progress)'),
} satisfies Table<CallOptions>;

/** Options for all calls of a drone: its option `defaults`. `with` takes precedence. */
export type CallDefaults = Pick<CallOptions, 'timeoutMs' | 'idempotent'>;

const CALL_DEFAULTS = { timeoutMs: CALL.timeoutMs, idempotent: CALL.idempotent } satisfies Table<CallDefaults>;

export const callDefaults = (): Option<CallDefaults, CallDefaults | undefined> => group(CALL_DEFAULTS);

/** The calls whose values a results list holds, index by index. Keyed by the list, so a copied map still works. */
const callsOfValues = new WeakMap<DroneValues, readonly Call[]>();

export function nameValues(values: readonly unknown[], calls: readonly Call[]): void {
  callsOfValues.set(values, calls);
}

/**
 * Each value of a drone in a round with its call, in order: `entriesOf(results.get(drone))`, or
 * `entriesOf(failure.completed)`. Empty for undefined. Throws a TypeError (`ERR_INVALID_ARG`) for a list that was not
 * created by a round, such as a copy.
 */
export function entriesOf(values: DroneValues | undefined): CallValue[] {
  if (values === undefined) return [];
  const calls = callsOfValues.get(values);
  if (calls === undefined) throw invalidArgument('values', values, 'the values of a drone in a round');
  const entries: CallValue[] = [];
  for (const value of values) {
    const call = calls[entries.length];
    if (call !== undefined) entries.push({ call, value });
  }
  return entries;
}

interface CalledDrone {
  readonly hostname: string;
  getCalls(): readonly Call[];
}

export class QueuedCall<R = unknown> implements Call<R> {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly #options: CallOptions;
  readonly #encodedArgs: Uint8Array;
  readonly #drone: CalledDrone;
  #reader: CallOutput | undefined;
  #isInFlight = false;

  /**
   * Throws a TypeError (`ERR_INVALID_ARG`) for a bad method name, NotCloneableError (`ERR_NOT_CLONEABLE`) for an
   * argument that cannot be copied, and a RangeError (`ERR_TOO_LARGE`) when the arguments do not fit in a frame.
   */
  constructor(drone: CalledDrone, method: string, args: readonly unknown[], options: CallOptions) {
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

  /** The arguments as of the queueing. */
  get encodedArgs(): Uint8Array {
    return this.#encodedArgs;
  }

  get reader(): CallOutput | undefined {
    return this.#reader;
  }

  /** Whether a round, or `queue.call`, has taken it and not settled it. */
  get isInFlight(): boolean {
    return this.#isInFlight;
  }

  set isInFlight(isInFlight: boolean) {
    this.#isInFlight = isInFlight;
  }

  /** Whether it was queued on this drone. */
  isOf(drone: object): boolean {
    return this.#drone === drone;
  }

  /** Ends its reading loop; `output()` may be called anew. */
  renewOutput(): void {
    this.#reader?.end();
    this.#reader = undefined;
  }

  /** Whether its output is wanted while it runs. */
  get streams(): boolean {
    return this.#options.onOutput !== undefined || this.#reader !== undefined;
  }

  output(): AsyncIterable<OutputChunk> {
    const refuse = (code: string, why: string): Error =>
      Object.assign(new Error(`${this.#drone.hostname}: the output of ${this.toString()} is not available: ${why}`), {
        code,
      });
    if (this.streams) throw refuse('ERR_OUTPUT_TAKEN', 'it goes to an onOutput, or was requested before');
    if (!this.#drone.getCalls().includes(this)) throw refuse('ERR_OUTPUT_TOO_LATE', "it is not in the drone's queue");
    this.#reader = new CallOutput();
    return this.#reader;
  }

  valueIn(round: Parameters<Call['valueIn']>[0]): R {
    checkRound(round);
    const failure = 'failures' in round ? round.failures.get(this.#drone) : undefined;
    const values = failure?.completed ?? ('failures' in round ? round.results : round).get(this.#drone);
    const index = values === undefined ? -1 : (callsOfValues.get(values)?.indexOf(this) ?? -1);
    if (values === undefined || index < 0 || index >= values.length) {
      const error = new Error(`${this.#drone.hostname}: ${this.toString()} has no value in this round`, {
        cause: failure,
      });
      throw Object.assign(error, { code: 'ERR_NO_VALUE' });
    }
    return (values as readonly unknown[])[index] as R;
  }

  [inspect.custom](): string {
    return this.toString();
  }

  toString(): string {
    const text = this.args.map(arg => shortened(show(arg, ARG_STYLE))).join(', ');
    return `${this.method}(${TAKES_MODE.has(this.method) ? text.replace(MODE, inOctal) : text})`;
  }
}

/** Untyped code easily passes the drone's failure instead. */
function checkRound(round: unknown): void {
  if (typeof round === 'object' && round !== null && ('failures' in round || 'get' in round)) return;
  const given = round instanceof Error ? round.message : round; // without its stack
  throw invalidArgument('round', given, "a round's results, its outcome, or the exception that it ended with");
}

/** The kills queued on a drone: one call, in front of its batch and without a value in the results. */
export class KillCall extends QueuedCall {
  readonly processes: readonly ProcessId[];

  constructor(drone: CalledDrone, processes: readonly ProcessId[]) {
    super(drone, 'killProcesses', [processes], {});
    this.processes = processes;
  }
}

const NO_ARGS = encode([]);
const MAX_METHOD_CHARS = 1000;
/** A frame also holds the names of method and utility module. */
const MAX_ARGS_BYTES = MAX_PAYLOAD_BYTES - 256 * 1024;
const MAX_ARG_CHARS = 80;
const shortened = (shown: string): string =>
  shown.length > MAX_ARG_CHARS ? `${shown.slice(0, MAX_ARG_CHARS)}…` : shown;
const TAKES_MODE = new Set(['putFile', 'getFile']);
/** In the options, the last argument. */
const MODE = /(?<=, \{ (?:tolerateFailure: \w+, )?mode: )\d+(?=, tolerateFailure: \w+ \}$| \}$)/;
const inOctal = (mode: string): string => `0o${Number(mode).toString(8)}`;
const ARG_STYLE = { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 5 };
