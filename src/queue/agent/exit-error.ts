/** The failure of a `run` with `check`. */
import type { RunResult } from '../wire/methods.js';

const MAX_LINE_CHARS = 300;

export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly code = 'ERR_EXIT_STATUS';
  readonly result: RunResult;

  constructor(result: RunResult) {
    const { exitCode, signal, stderr } = result;
    const how = signal === null ? `exited with status ${String(exitCode)}` : `was ended by ${signal}`;
    const last = stderr.trim().split('\n').at(-1)?.slice(0, MAX_LINE_CHARS) ?? '';
    super(`the command ${how}${last === '' ? '' : `: ${last}`}`);
    this.result = result;
  }
}

/** Throws an ExitError for anything but exit status 0 if `check` is true. */
export function checkExit(result: RunResult, check: boolean): RunResult {
  if (check && result.exitCode !== 0) throw new ExitError(result);
  return result;
}
