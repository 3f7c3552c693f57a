/** Whether, when and how often a drone's batch is tried again within its round. */
import type { DroneError } from '../drone/drone-error.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { OptionReader } from '../../option/option-reader.js';

/**
 * A drone's batch that failed is tried again within its round, but only where that is safe: each of its calls without an
 * answer has certainly not run, or is idempotent. Values that it had already are kept. Never tried again are failures
 * that come of what the caller gave or did (`auth`, `host-key`, `not-cloneable`, `cancelled`, `callback`), of a drone
 * that speaks no language of ours (`protocol`), and `kicked-out` and `not-contacted`; nor is anything once the round
 * was stopped.
 *
 * A call that threw has run, so that only an idempotent one is called again.
 */
export interface RetryOptions {
  /** How often a batch may be tried in a round, the first time included; 1 is never again. Default 3. */
  attempts?: number | undefined;
  /** Before the second attempt, ms; doubled before each further one, up to 30,000 or this, if it is more. Default 1,000. */
  backoffMs?: number | undefined;
  /** The share of each wait that is left to chance, 0 to 1: with 0.5 a wait takes half its time up to all of it. Default 0.5. */
  jitter?: number | undefined;
  /**
   * Asked, after all of the above, whether to try again; `attempts` of the batch so far. What it throws is logged, and
   * means no. Default: always.
   */
  when?: ((error: DroneError, attempts: number) => boolean) | undefined;
}

/** The options, complete and checked. */
export interface RetrySettings {
  readonly attempts: number;
  readonly backoffMs: number;
  readonly jitter: number;
  readonly when: (error: DroneError, attempts: number) => boolean;
}

/** Whoever marks a call as idempotent need not ask for more, to have it survive a lost connection. */
const WITHOUT_OPTIONS: RetrySettings = {
  attempts: 2,
  backoffMs: 0,
  jitter: 0,
  when: error => error.kind === 'lost',
};

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function readRetryOptions(options: RetryOptions | undefined): RetrySettings {
  if (options === undefined) return WITHOUT_OPTIONS;
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw invalidArgument('retry', options, 'an object such as { attempts: 3 }');
  }
  const read = new OptionReader(options, ['attempts', 'backoffMs', 'jitter', 'when']);
  const isCount = (value: number): boolean => value >= 1 && (Number.isInteger(value) || value === Infinity);
  const { when = () => true } = options;
  if (typeof when !== 'function') throw invalidArgument('when', when, 'a function (error, attempts)');
  return {
    attempts: read.limit('attempts', 'an integer above 0, or Infinity', isCount) ?? 3,
    backoffMs: read.limit('backoffMs', 'a number of milliseconds, 0 or more', value => value >= 0) ?? 1000,
    jitter: read.limit('jitter', 'a number from 0 to 1', value => value >= 0 && value <= 1) ?? 0.5,
    when,
  };
}
