/** The option `kickOut` of a task queue. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { OptionReader } from '../../option/option-reader.js';

/** When a drone is kicked out, and how often it is then asked whether it answers again. */
export interface KickOutOptions {
  /** So many rounds in a row that show that it does not connect or answer. Default 3. */
  afterFailures?: number | undefined;
  /** From the kick-out, or the end of a probe, to the next probe, ms, give or take a tenth. Default 30,000. */
  probeEveryMs?: number | undefined;
}

/** The options, complete and checked. */
export interface KickOutSettings {
  readonly afterFailures: number;
  readonly probeEveryMs: number;
}

const NAMES = ['afterFailures', 'probeEveryMs'] satisfies (keyof KickOutOptions)[];
/** Twelve days, as good as never, and a moment that a Date can still tell. */
const RAREST_MS = 2 ** 30;

/** Undefined when drones are not kicked out. Throws TypeError (`ERR_INVALID_ARG`) for options out of range. */
export function readKickOut(options: KickOutOptions | undefined): KickOutSettings | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw invalidArgument('kickOut', options, 'an object { afterFailures, probeEveryMs }');
  }
  const reader = new OptionReader(options, NAMES);
  const isCount = (value: number): boolean => Number.isInteger(value) && value > 0;
  const afterFailures = reader.limit('afterFailures', 'an integer above 0', isCount) ?? 3;
  const expected = 'a number of milliseconds above 0, or Infinity';
  const probeEveryMs = reader.limit('probeEveryMs', expected, value => value > 0) ?? 30_000;
  return { afterFailures, probeEveryMs: Math.min(probeEveryMs, RAREST_MS) };
}
