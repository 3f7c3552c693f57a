/** What a round can end with instead of results: a failure per drone, and the one exception that holds them all. */
import { inspect } from 'node:util';
import type { Call } from './call.js';
import type { AnyDrone } from './drone.js';
import type { DroneErrorKind } from './error-kinds.js';
import { show } from './show.js';
import type { Phase } from '../wire/messages.js';

/** What a round gives: per drone that had work, one value per queued call, in order. */
export type DroneResults = Map<AnyDrone, unknown[]>;

/** The facts of a failure, as DroneError's fields hold them. */
export interface DroneErrorFacts {
  readonly kind: DroneErrorKind;
  readonly hostname: string;
  readonly phase: Phase;
  readonly attempts: number;
  readonly cause: unknown;
  readonly completed: readonly unknown[];
  readonly call?: Call | undefined;
  readonly mayHaveRun: readonly Call[];
  readonly notStarted: readonly Call[];
  readonly killed?: boolean | undefined;
  readonly output?: { readonly stdout: string; readonly stderr: string } | undefined;
}

/** One drone's failure in a round. `cause` is the error as it was thrown, on the drone or on the way to it. */
export class DroneError extends Error {
  override readonly name = 'DroneError';
  readonly code = 'ERR_DRONE';
  readonly kind: DroneErrorKind;
  readonly hostname: string;
  /** Where the batch stood when it failed. */
  readonly phase: Phase;
  /** Connections tried; 0 when a warm one was used or none was tried. */
  readonly attempts: number;
  /** Values of the calls that finished, in order. */
  readonly completed: readonly unknown[];
  /** The call that failed, timed out or was cancelled. */
  declare readonly call?: Call;
  /** Sent and never answered, in this attempt or one before it: outcome unknown. Back in the drone's queue only where marked idempotent. */
  readonly mayHaveRun: readonly Call[];
  /** Certainly not run; back at the front of the drone's queue. */
  readonly notStarted: readonly Call[];
  /** With a call that was ended: whether its processes are known to be gone. */
  declare readonly killed?: boolean;
  /** With a `run` that was ended: what it had written so far, and was kept as in its result. */
  declare readonly output?: { readonly stdout: string; readonly stderr: string };

  constructor(facts: DroneErrorFacts) {
    super(describe(facts), { cause: facts.cause });
    // Where in our books the failure was entered tells nobody anything; the cause has the stack that does.
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
  }
}

/** One line for people; programs read the fields. */
function describe(facts: DroneErrorFacts): string {
  const { call, kind, phase, cause } = facts;
  if (kind === 'call' && call !== undefined) return `${call.toString()}: ${summarize(cause)}`;
  // Our own errors, whose class tells nothing that the kind does not.
  const why = tellsAs(cause, error => error.message) ?? summarize(cause);
  return `${kind} in ${call === undefined ? `phase ${phase}` : call.toString()}: ${why}`;
}

/** First line of an error, or of a value that was thrown in its place. */
export function summarize(thrown: unknown): string {
  const text = tellsAs(thrown, error => `${error.name}: ${error.message}`) ?? show(thrown, { depth: 1 });
  return text.split('\n', 1)[0] ?? '';
}

/** Undefined for what is no Error, and for one that throws when it is read. */
function tellsAs(thrown: unknown, text: (error: Error) => string): string | undefined {
  try {
    return thrown instanceof Error ? text(thrown) : undefined;
  } catch {
    return undefined;
  }
}

/** Why a round was refused or ended without all results. */
export type DroneTaskQueueExceptionCode =
  | 'ERR_DRONES_FAILED'
  | 'ERR_ROUND_CANCELLED'
  | 'ERR_RESULTS_NOT_FETCHED'
  | 'ERR_ROUND_IN_FLIGHT'
  | 'ERR_DRONE_TWICE'
  | 'ERR_QUEUE_CLOSED'
  | 'ERR_OPEN_FILES';

/** How many drones the message names; `failures` has them all. */
const MAX_LINES = 20;

/**
 * Everything that went wrong in a round, and everything that did not. `errors` holds the failures' DroneErrors.
 *
 * `code` is `ERR_DRONES_FAILED` or `ERR_ROUND_CANCELLED` when a round ended with failures, else it names the refusal;
 * a refusal starts nothing, and both maps are empty.
 */
export class DroneTaskQueueException extends AggregateError {
  override readonly name = 'DroneTaskQueueException';
  readonly code: DroneTaskQueueExceptionCode;
  declare readonly failures: ReadonlyMap<AnyDrone, DroneError>;
  /** Of the drones that did answer. */
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
    // Not enumerable, as `errors` is not: an uncaught exception of a large fleet must not print every result.
    Object.defineProperty(this, 'failures', { value: outcome.failures });
    Object.defineProperty(this, 'results', { value: outcome.results });
  }

  /** What console.log shows: the lines of the message, and how many drones did answer. */
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
