/** The failures of a round: one per drone, and the exception that holds them all. */
import { inspect } from 'node:util';
import type { Call, DroneValues } from './call.js';
import type { RunResult } from '../wire/methods.js';
import type { AnyDrone } from './drone.js';
import type { DroneErrorKind } from './error-kinds.js';
import { show } from './show.js';
import type { Phase } from '../wire/messages.js';

/**
 * `code` of a failure's cause. The codes listed here are this package's own. Others come from the system (`ENOENT`,
 * `ECONNREFUSED`) or from errors of your own methods.
 *
 * - `ERR_HOST_KEY_UNKNOWN`: no known_hosts file has a key for this host. Compare the fingerprint in the message with
 *   the server's, then record or pin the key.
 * - `ERR_HOST_KEY_CHANGED`: the host presented a different key than the recorded one. Find out why before you replace
 *   the record: an attack looks the same.
 * - `ERR_HOST_KEY_REVOKED`: the host key is revoked, in a known_hosts file or by `revokedHostKeys`. Give the host a new
 *   key.
 * - `ERR_HOST_KEY_NOT_PINNED`: the host key matches none of the fingerprints in `hostKeys`. Compare the fingerprints
 *   before you change them.
 * - `ERR_HOST_KEY_NOT_RECORDED`: `accept-new` failed to write the new key to the known_hosts file. Make that file
 *   writable.
 * - `ERR_HOST_KEY_TOO_SHORT`: the host's RSA key has fewer bits than `minRsaBits`. Give the host a longer key, or one of
 *   another type.
 * - `ERR_NO_AGENT`: the method needs an agent and the drone has none. No call of the batch ran. Use built-in methods
 *   only, or install Node on the drone and set its `agent` to `node` or `auto`.
 * - `ERR_NO_SETSID`: `executeCommand` on a drone without an agent needs the program `setsid`, which gives the command a
 *   process group. Nothing was started. Install util-linux or busybox on the drone, or Node for an agent.
 * - `ERR_NO_METHOD`: the method is neither built in nor exported by the drone's utility module. Check its name, and the
 *   drone's `utility`.
 * - `ERR_UTILITY_NAME`: the utility module exports the name of a built-in method. Rename the export.
 * - `ERR_UTILITY_MODULE`: the utility module does not parse, cannot be bundled, or imports something that is not sent
 *   with it. The message gives the line. Make the module one self-contained file.
 * - `ERR_PACKAGE_MISSING`: the utility module is TypeScript and esbuild is not installed. Install esbuild, or give a
 *   bundle's URL.
 * - `ERR_COPY_FAILED`: `cp` failed on the drone. The message contains its stderr.
 * - `ERR_NOT_A_FILE`: a path of a transfer is neither a file nor a directory. Devices, pipes and sockets are not
 *   transferred.
 * - `ERR_FILE_CHANGED`: a file became shorter while it was read. Transfer it again.
 * - `ERR_NO_SIZE`: a file reports no size, as files in `/proc` do. Read it with `run`.
 * - `ERR_FILE`: a transfer failed without a system code. The message gives the reason.
 * - `ERR_NOT_CLONEABLE`: a value contains something that cannot be sent, such as a function. The message gives its
 *   path; use plain data. For arguments, `queueCall` throws a NotCloneableError with this code.
 * - `ERR_TOO_LARGE`: arguments or a result exceed the size of one frame (64 MiB). Send bulk data as files. For
 *   arguments, `queueCall` throws a RangeError with this code.
 * - `ERR_INVALID_ARG`: an argument of a built-in method is invalid. The message names it.
 * - `ERR_CALL_TIMEOUT`: the call got no answer within its `timeoutMs`, or the queue's `callTimeoutMs`. It ran in part.
 * - `ERR_CALL_CANCELLED`: the agent ended the call, and no reason from the caller is known. It may have run in part.
 * - `ERR_EXIT_STATUS`: a `run` with `check` did not exit with status 0. `DroneError.result` holds its result.
 * - `ERR_ROUND_DEADLINE`: the round did not end within `roundDeadlineMs`. Calls that had not started are in
 *   `notStarted`.
 * - `ERR_ROUND_STOPPED`: `stopOn` stopped the round before anything was sent to this drone. Look at the other failures.
 * - `ERR_THREAD_HUNG`: the drone's worker thread did not answer within `threadTimeoutMs` and was terminated. Calls that
 *   were sent may have run. Find out what blocks the thread, or raise the limit.
 * - `ERR_THREAD_CRASH_LOOP`: five threads of the drone's slot died within a minute, so no thread is started. Nothing
 *   ran. `cause` describes the last death; the next thread starts once the oldest death is a minute old.
 * - `ERR_PROTOCOL`: the agent sent bytes that are not valid frames, or a frame out of turn. Calls that were sent may
 *   have run.
 * - `ERR_UNREADABLE_VALUE`: a value that the agent sent cannot be decoded. Calls that were sent may have run.
 * - `ERR_AGENT_ABANDONED`: the connection was cut because the agent did not end. The agent may still run until it has
 *   heard nothing for `linkSilenceMs`. Also the code of the error in the event `linkClose`, even without an agent, if
 *   the drone did not confirm the end of a command.
 */
export type DroneErrorCauseCode =
  | 'ERR_HOST_KEY_UNKNOWN'
  | 'ERR_HOST_KEY_CHANGED'
  | 'ERR_HOST_KEY_REVOKED'
  | 'ERR_HOST_KEY_NOT_PINNED'
  | 'ERR_HOST_KEY_NOT_RECORDED'
  | 'ERR_HOST_KEY_TOO_SHORT'
  | 'ERR_NO_AGENT'
  | 'ERR_NO_SETSID'
  | 'ERR_NO_METHOD'
  | 'ERR_UTILITY_NAME'
  | 'ERR_UTILITY_MODULE'
  | 'ERR_PACKAGE_MISSING'
  | 'ERR_COPY_FAILED'
  | 'ERR_NOT_A_FILE'
  | 'ERR_FILE_CHANGED'
  | 'ERR_NO_SIZE'
  | 'ERR_FILE'
  | 'ERR_NOT_CLONEABLE'
  | 'ERR_TOO_LARGE'
  | 'ERR_INVALID_ARG'
  | 'ERR_CALL_TIMEOUT'
  | 'ERR_CALL_CANCELLED'
  | 'ERR_EXIT_STATUS'
  | 'ERR_ROUND_DEADLINE'
  | 'ERR_ROUND_STOPPED'
  | 'ERR_THREAD_HUNG'
  | 'ERR_THREAD_CRASH_LOOP'
  | 'ERR_PROTOCOL'
  | 'ERR_UNREADABLE_VALUE'
  | 'ERR_AGENT_ABANDONED'
  | (string & Record<never, never>);

/**
 * The results of a round: the values of each drone that had work. A call finds its own value: `call.valueIn(results)`.
 */
export type DroneResults = Map<AnyDrone, DroneValues>;

/** The facts of a failure, as in the fields of DroneError. */
export interface DroneErrorFacts {
  readonly kind: DroneErrorKind;
  readonly hostname: string;
  readonly phase: Phase;
  readonly attempts: number;
  readonly cause: unknown;
  readonly completed: DroneValues;
  readonly call?: Call | undefined;
  readonly mayHaveRun: readonly Call[];
  readonly notStarted: readonly Call[];
  readonly killed?: boolean | undefined;
  readonly output?: { readonly stdout: string; readonly stderr: string } | undefined;
  readonly result?: RunResult | undefined;
}

/**
 * One drone's failure in a round. `cause` is the original error, from the drone or from the connection to it.
 *
 * - `ERR_DRONE`: the drone's batch did not finish. `kind`, `phase` and `causeCode` give the reason; `completed`,
 *   `call`, `mayHaveRun` and `notStarted` show what happened to its calls.
 */
export class DroneError extends Error {
  override readonly name = 'DroneError';
  readonly code = 'ERR_DRONE';
  readonly kind: DroneErrorKind;
  readonly hostname: string;
  /** The phase in which the batch failed. */
  readonly phase: Phase;
  /** Number of connection attempts. 0 if none was needed (a warm connection) or none was made. */
  readonly attempts: number;
  /** Values of the calls that finished, in order. `call.valueIn` and `entriesOf` match values to calls. */
  readonly completed: DroneValues;
  /** The call that failed, timed out or was cancelled. */
  declare readonly call?: Call;
  /**
   * Calls that were sent, in any attempt, and have no answer: their outcome is unknown. Idempotent ones return to the
   * drone's queue, unless `leftovers` is `drop`.
   */
  readonly mayHaveRun: readonly Call[];
  /** Calls that certainly did not run. They return to the front of the drone's queue, unless `leftovers` is `drop`. */
  readonly notStarted: readonly Call[];
  /**
   * Whether the processes of a terminated call are known to be gone; false also if their end was not confirmed in time.
   * Absent if no call was terminated.
   */
  declare readonly killed?: boolean;
  /**
   * Output of a `run` up to the moment when a deadline or signal ended it, or, with `agent: 'none'`, when its connection
   * was lost; truncated as in its result.
   */
  declare readonly output?: { readonly stdout: string; readonly stderr: string };
  /** Result of a `run` with `check` that did not exit with status 0. */
  declare readonly result?: RunResult;

  constructor(facts: DroneErrorFacts) {
    super(describe(facts), { cause: facts.cause });
    // The place where the queue records the failure says nothing; the cause has the useful stack.
    this.stack = `${this.name}: ${this.message}`;
    this.kind = facts.kind;
    this.hostname = facts.hostname;
    this.phase = facts.phase;
    this.attempts = facts.attempts;
    this.completed = facts.completed;
    this.mayHaveRun = facts.mayHaveRun;
    this.notStarted = facts.notStarted;
    if (facts.call !== undefined) this.call = facts.call;
    if (facts.killed !== undefined) this.killed = facts.killed;
    if (facts.output !== undefined) this.output = facts.output;
    if (facts.result !== undefined) this.result = facts.result;
  }

  /** `code` of the cause, if the cause is an error with a code; for `kicked-out`, that of the last failure's cause. */
  get causeCode(): DroneErrorCauseCode | undefined {
    return this.cause instanceof DroneError ? this.cause.causeCode : codeOf(this.cause);
  }
}

/** Undefined also for an error that throws when it is read. */
function codeOf(thrown: unknown): string | undefined {
  try {
    const { code } = (thrown ?? {}) as { code?: unknown };
    return typeof code === 'string' ? code : undefined;
  } catch {
    return undefined;
  }
}

/** One line for people; programs read the fields. */
function describe(facts: DroneErrorFacts): string {
  const { call, kind, phase, cause } = facts;
  if (kind === 'call' && call !== undefined) return `${call.toString()}: ${summarize(cause)}`;
  const why = readError(cause, error => error.message) ?? summarize(cause);
  return `${kind} in ${call === undefined ? `phase ${phase}` : call.toString()}: ${why}`;
}

/** First line of an error, or of another thrown value. */
export function summarize(thrown: unknown): string {
  const text = readError(thrown, error => `${error.name}: ${error.message}`) ?? show(thrown, { depth: 1 });
  return text.split('\n', 1)[0] ?? '';
}

/** Undefined for a non-Error, and for an Error whose fields throw. */
function readError(thrown: unknown, text: (error: Error) => string): string | undefined {
  try {
    return thrown instanceof Error ? text(thrown) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Why a round was refused, or ended without all results. A refusal starts nothing and leaves every call where it was.
 *
 * - `ERR_DRONES_FAILED`: at least one drone failed. `failures` has a DroneError for each, `results` the values of the
 *   others.
 * - `ERR_ROUND_CANCELLED`: the round's `signal` ended it; `cause` is its reason. `failures` and `results` hold
 *   everything that had ended by then.
 * - `ERR_RESULTS_TAKEN`: other code fetched the results of a started round with `getResults`. Use only one of the two
 *   ways.
 * - `ERR_RESULTS_NOT_FETCHED`: an earlier round has results that were not fetched. Await `getResults` first.
 * - `ERR_ROUND_IN_FLIGHT`: a round of this queue is still running. Await it first, or use a second queue.
 * - `ERR_DRONE_TWICE`: a drone is listed twice. Remove the duplicate.
 * - `ERR_QUEUE_CLOSED`: `close` was called. Create a new queue.
 * - `ERR_OPEN_FILES`: the round needs more open files than this process may have. Raise `ulimit -n`, or split the
 *   round.
 */
export type DroneTaskQueueExceptionCode =
  | 'ERR_DRONES_FAILED'
  | 'ERR_ROUND_CANCELLED'
  | 'ERR_RESULTS_NOT_FETCHED'
  | 'ERR_RESULTS_TAKEN'
  | 'ERR_ROUND_IN_FLIGHT'
  | 'ERR_DRONE_TWICE'
  | 'ERR_QUEUE_CLOSED'
  | 'ERR_OPEN_FILES';

/** How many drones the message names; `failures` has them all. */
const MAX_LINES = 20;

/**
 * The failures of a round, and the results of its other drones. `errors` holds the DroneErrors.
 *
 * `code` is `ERR_DRONES_FAILED` or `ERR_ROUND_CANCELLED` when a round ended with failures. Other codes are refusals, which
 * start nothing; both maps are then empty.
 */
export class DroneTaskQueueException extends AggregateError {
  override readonly name = 'DroneTaskQueueException';
  readonly code: DroneTaskQueueExceptionCode;
  declare readonly failures: ReadonlyMap<AnyDrone, DroneError>;
  /** The results of the drones that did answer. */
  declare readonly results: DroneResults;

  constructor(
    code: DroneTaskQueueExceptionCode,
    message: string,
    outcome: { failures: ReadonlyMap<AnyDrone, DroneError>; results: DroneResults } = {
      failures: new Map(),
      results: new Map(),
    },
    options?: ErrorOptions,
  ) {
    super([...outcome.failures.values()], message, options);
    this.code = code;
    // Not enumerable, like `errors`: an uncaught exception must not print every result of a fleet.
    Object.defineProperty(this, 'failures', { value: outcome.failures });
    Object.defineProperty(this, 'results', { value: outcome.results });
  }

  /** For console.log: the message, and how many drones answered. */
  [inspect.custom](): string {
    return `${this.stack ?? this.message}\n{ code: '${this.code}', failures: ${String(this.failures.size)}, results: ${String(this.results.size)} }`;
  }
}

/** One line per failed drone. */
export function describeFailures(failures: ReadonlyMap<AnyDrone, DroneError>): string {
  const lines: string[] = [];
  for (const [drone, error] of failures) {
    if (lines.length === MAX_LINES) {
      lines.push(`and ${String(failures.size - MAX_LINES)} more`);
      break;
    }
    lines.push(`Drone ${drone.hostname} raised Exception ${error.message.split('\n', 1)[0] ?? ''}`);
  }
  return lines.join('\n');
}
