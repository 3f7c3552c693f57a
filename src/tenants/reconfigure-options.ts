import { invalidArgument } from '../option/invalid-argument.js';
import { abortSignal, text } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';

/** A branch that has changed, or all branches of a project. */
export interface ChangedBranch {
  readonly project: string;
  /** Default: all. */
  readonly branch?: string | undefined;
}

/** Options for creating layouts. */
export interface ReconfigureOptions {
  /**
   * Ends the wait for locks and files: the call rejects with the signal's reason, and the remaining tenants keep their
   * layouts.
   */
  signal?: AbortSignal | undefined;
}

export const RECONFIGURE = { signal: abortSignal() } satisfies Table<ReconfigureOptions>;

const CHANGED_BRANCH = { project: text().required, branch: text() } satisfies Table<ChangedBranch>;

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the field at fault. */
export function readChanged(changed: unknown): ChangedBranch[] {
  if (!Array.isArray(changed)) throw invalidArgument('changed', changed, 'a list of { project, branch }');
  return changed.map((one, at) => readOptions(CHANGED_BRANCH, one, `changed[${String(at)}]`));
}
