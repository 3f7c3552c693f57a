import { integer, oneOf } from '../option/option-kinds.js';
import type { Table } from '../option/option-table.js';
import type { PidfileWriter } from './pidfile.js';

/** Options of `registerPidfile`. */
export interface PidfileOptions {
  /** Its command's share of the drone's `maxProcesses`. Default 1, or the count that was declared before. */
  processCount?: number | undefined;
  /**
   * How to recognize its process. `executeCommand`: by the pidfile's path in its arguments, so another process that
   * reuses the pid does not match. `other`: by being a process group leader. Default `executeCommand`.
   */
  writtenBy?: PidfileWriter | undefined;
}

export const PROCESS_COUNT = integer({ from: 0 });

export const PIDFILE = {
  processCount: PROCESS_COUNT,
  writtenBy: oneOf<PidfileWriter>('executeCommand', 'other'),
} satisfies Table<PidfileOptions>;
