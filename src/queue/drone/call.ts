/** One method call on one drone: what was asked, and where its value is found. */
import { inspect } from 'node:util';
import { encode } from '../wire/codec/codec.js';
import { CallOutput, type OutputChunk } from './call-output.js';
import { show } from './show.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { abortSignal, flag, func, timeLimit } from '../../option/option-kinds.js';
import type { Table } from '../../option/option-table.js';
import { MAX_PAYLOAD_BYTES } from '../wire/frames.js';
import type { ProcessId } from '../wire/methods.js';

/** A queued call. It finds its own value in a round's results, whatever else was queued before or after it. */
export interface Call<R = unknown> {
  readonly method: string;
  /** As given. What is sent is the copy made when the call was queued. */
  readonly args: readonly unknown[];
  /**
   * The value this call returned, from the results of its round (`DroneResults`) or from the exception that it ended
   * with (`DroneTaskQueueException`).
   * Throws an Error with code `ERR_NO_VALUE` when it has none there; its `cause` is the drone's failure, if it has one.
   */
  valueIn(
    round:
      | ReadonlyMap<{ readonly hostname: string }, readonly unknown[]>
      | {
          readonly results: ReadonlyMap<{ readonly hostname: string }, readonly unknown[]>;
          readonly failures: ReadonlyMap<{ readonly hostname: string }, { readonly completed: readonly unknown[] }>;
        },
  ): R;
  /**
   * A running command's output as it comes, for a `for await` loop; to be asked for before the call's round starts. A
   * call that prints nothing, such as any but `run`, gives none.
   *
   * The command waits for the loop: no more than 256 KiB of its output are ever ahead of it. Who leaves the loop early
   * leaves the rest, and the command runs on. It ends when the call has returned or failed, or its outcome is unknown,
   * without an error: that is the round's to tell. When the call goes back to the drone's queue, it goes on with the
   * round that runs the call; should there be none, `drone.clearCallQueue()` ends it.
   *
   * Throws an Error with code `ERR_OUTPUT_TAKEN` when the call has an `onOutput` or was asked for its output before, and
   * `ERR_OUTPUT_TOO_LATE` when the call is not in its drone's queue any more.
   */
  output(): AsyncIterable<OutputChunk>;
  /** `method(1, 'x')`, shortened. */
  toString(): string;
}

/** What `drone.with(options)` sets for the calls queued through it. */
export interface CallOptions {
  /** Replaces the queue's `callTimeoutMs` for these calls, ms. The clock starts when the call may start on the drone. */
  timeoutMs?: number | undefined;
  /**
   * May run more than once: may be tried again within the round (see RetryOptions), and goes back to the drone's queue when
   * its outcome is unknown. Default false.
   */
  idempotent?: boolean | undefined;
  /** Ends the call when aborted: kind `cancelled`, and with it the rest of its batch. */
  signal?: AbortSignal | undefined;
  /**
   * Gets a running command's output as it comes, on the scheduler's thread. Where it returns a promise, the next chunk
   * comes once that has resolved, and the command waits: no more than 256 KiB of its output are ever ahead. A throw or a
   * rejection ends the call: kind `callback`. The round does not end before it is done with all that was written; but
   * one that is ended (deadline, signal, a lost connection) does not wait for it, and calls it no more.
   *
   * A chunk is the receiver's own. A character of several bytes may be cut at its borders: see TextDecoder's `stream`.
   */
  onOutput?: ((stream: 'stdout' | 'stderr', chunk: Uint8Array) => void | Promise<void>) | undefined;
}

export const CALL = {
  timeoutMs: timeLimit(),
  idempotent: flag(),
  signal: abortSignal(),
  onOutput: func<NonNullable<CallOptions['onOutput']>>('(stream, chunk)'),
} satisfies Table<CallOptions>;

/** The calls whose values a results list holds, index by index. Keyed by the list, so a copied map still works. */
const callsOfValues = new WeakMap<readonly unknown[], readonly Call[]>();

/** Notes which calls `values` answers. */
export function nameValues(values: readonly unknown[], calls: readonly Call[]): void {
  callsOfValues.set(values, calls);
}

/** The drone that a call was queued on, as far as the call knows it. */
interface CalledDrone {
  readonly hostname: string;
  getCalls(): readonly Call[];
}

/** A call as the core sees it. */
export class QueuedCall<R = unknown> implements Call<R> {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly #options: CallOptions;
  readonly #encodedArgs: Uint8Array;
  readonly #drone: CalledDrone;
  #reader: CallOutput | undefined;

  /**
   * Throws TypeError (`ERR_INVALID_ARG`) for what is no method name, NotCloneableError (`ERR_NOT_CLONEABLE`) when an
   * argument cannot travel, and RangeError (`ERR_TOO_LARGE`) when they take more than a frame.
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

  /** The arguments as they were when the call was queued, encoded. */
  get encodedArgs(): Uint8Array {
    return this.#encodedArgs;
  }

  /** Who reads its output. */
  get reader(): CallOutput | undefined {
    return this.#reader;
  }

  /** Whether somebody wants its output while it runs. */
  get streams(): boolean {
    return this.#options.onOutput !== undefined || this.#reader !== undefined;
  }

  output(): AsyncIterable<OutputChunk> {
    const refuse = (code: string, why: string): Error =>
      Object.assign(new Error(`${this.#drone.hostname}: no output of ${this.toString()} to be had: ${why}`), { code });
    if (this.streams) throw refuse('ERR_OUTPUT_TAKEN', 'it goes to an onOutput, or was asked for before');
    if (!this.#drone.getCalls().includes(this)) throw refuse('ERR_OUTPUT_TOO_LATE', "it is not in the drone's queue");
    this.#reader = new CallOutput();
    return this.#reader;
  }

  valueIn(round: Parameters<Call['valueIn']>[0]): R {
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
/** A frame holds the names of method and utility module, too. */
const MAX_ARGS_BYTES = MAX_PAYLOAD_BYTES - 256 * 1024;
const MAX_ARG_CHARS = 80;
const ARG_STYLE = { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 5 };
