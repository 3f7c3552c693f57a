/** How a pidfile is registered. */
import { integer, oneOf } from '../option/option-kinds.js';
import type { Table } from '../option/option-table.js';
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

/** How many processes a command counts for. */
export const PROCESS_COUNT = integer({ from: 0 });

export const PIDFILE = {
  processCount: PROCESS_COUNT,
  writtenBy: oneOf<PidfileWriter>('executeCommand', 'other'),
} satisfies Table<PidfileOptions>;
