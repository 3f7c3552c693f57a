/** The failure of a `run` with `check`. */
import { exitText } from '../../process/exit-text.js';
import type { RunResult } from '../wire/methods.js';

export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly code = 'ERR_EXIT_STATUS';
  readonly result: RunResult;

  constructor(command: string, result: RunResult) {
    super(exitText(command, result));
    this.result = result;
  }
}

/** Throws an ExitError for anything but exit status 0 if `check` is true. */
export function checkExit(command: string, result: RunResult, check: boolean): RunResult {
  if (check && result.exitCode !== 0) throw new ExitError(command, result);
  return result;
}
