/** How many failures a round bears before it goes no further. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { OptionReader } from '../../option/option-reader.js';

/**
 * After how many failed drones a round goes no further: `never`; the `first`; so many; or such a share of the round's
 * drones, above 0 up to 1. All kinds of failure count, unreachable drones and time-outs too, but `kicked-out` (known
 * before the round) and `cancelled` (somebody's wish).
 *
 * Drones that were sent nothing by then fail as `not-contacted`, whether their connection was being opened or not; their
 * calls are back in their queues. Those at work finish, and those that wait to be tried again keep their failure.
 */
export type StopOn = 'never' | 'first' | { readonly failures: number } | { readonly ratio: number };

/** 7 % of 100 is 7, not a little more. */
const ROUNDING = 1e-9;

/** The number of failures that stops a round of so many drones. Throws TypeError (`ERR_INVALID_ARG`). */
export type FailureLimit = (drones: number) => number;

export function readStopOn(stopOn: StopOn | undefined): FailureLimit {
  if (stopOn === undefined || stopOn === 'never') return () => Infinity;
  if (stopOn === 'first') return () => 1;
  if (typeof stopOn !== 'object' || (stopOn as unknown) === null) throw refused(stopOn);
  const read = new OptionReader(stopOn, ['failures', 'ratio']);
  const failures = read.limit('failures', 'an integer above 0', value => Number.isInteger(value) && value > 0);
  const ratio = read.limit('ratio', 'a number above 0, at most 1', value => value > 0 && value <= 1);
  if (failures !== undefined && ratio === undefined) return () => failures;
  if (ratio !== undefined && failures === undefined) return drones => Math.max(1, Math.ceil(ratio * drones - ROUNDING));
  throw refused(stopOn);
}

function refused(stopOn: unknown): TypeError {
  return invalidArgument('stopOn', stopOn, "'never', 'first', { failures: n } or { ratio: x }");
}
