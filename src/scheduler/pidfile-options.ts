/** How a pidfile is registered. */
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-reader.js';
import type { PidfileWriter } from './pidfile.js';

/** How to register a pidfile. */
export interface PidfileOptions {
  /** How much of its drone's `maxProcesses` its command takes. Default 1, or what was declared before. */
  processCount?: number | undefined;
  /**
   * `executeCommand`: the process is known by the path of the pidfile in its arguments, so that no other process that has
   * got its pid is taken for it. `other`: by being the leader of its process group. Default `executeCommand`.
   */
  writtenBy?: PidfileWriter | undefined;
}

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function checkPidfileOptions(options: PidfileOptions): void {
  checkNames(options, ['processCount', 'writtenBy'] satisfies (keyof PidfileOptions)[]);
  const { processCount = 1, writtenBy = 'executeCommand' } = options;
  checkProcessCount('processCount', processCount);
  if (writtenBy !== 'executeCommand' && writtenBy !== 'other') {
    throw invalidArgument('writtenBy', writtenBy, "'executeCommand' or 'other'");
  }
}

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function checkProcessCount(field: string, count: unknown): number {
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count;
  throw invalidArgument(field, count, 'an integer of 0 or more');
}
