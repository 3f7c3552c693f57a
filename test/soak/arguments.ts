/** The soak's arguments. */

export interface SoakArguments {
  readonly minutes: number;
  readonly seed: number;
}

/** The user asked for what cannot be; the message is for the user. */
export class UsageError extends Error {}

const DEFAULT_MINUTES = 2;
const MOST_MINUTES = 24 * 60;
const SEEDS = 2 ** 32;

/** Throws UsageError. */
export function readArguments([minutesText, seedText, ...others]: readonly string[]): SoakArguments {
  if (others.length > 0) throw new UsageError(`expected minutes and a seed, and got '${others.join(' ')}' beside them`);
  const minutes = Number(minutesText ?? DEFAULT_MINUTES);
  if (!(minutes > 0 && minutes <= MOST_MINUTES)) {
    throw new UsageError(
      `minutes: expected a number above 0 up to ${String(MOST_MINUTES)}, got '${String(minutesText)}'`,
    );
  }
  const seed = seedText === undefined ? Math.floor(Math.random() * SEEDS) : Number(seedText);
  if (!Number.isInteger(seed) || seed < 0 || seed >= SEEDS) {
    throw new UsageError(`seed: expected a whole number below 2^32, got '${String(seedText)}'`);
  }
  return { minutes, seed };
}
