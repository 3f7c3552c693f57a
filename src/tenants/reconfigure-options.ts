/** What is to be reconfigured, and the complaints about what cannot be. */
import { invalidArgument } from '../option/invalid-argument.js';
import { abortSignal, text } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';

/** A branch, or all branches of a project, that has changed. */
export interface ChangedBranch {
  readonly project: string;
  /** Default: all. */
  readonly branch?: string | undefined;
}

/** How layouts are made. */
export interface ReconfigureOptions {
  /** Ends the wait for locks and files: it rejects with the signal's reason, and what is not done yet is not done. */
  signal?: AbortSignal | undefined;
}

export const RECONFIGURE = { signal: abortSignal() } satisfies Table<ReconfigureOptions>;

const CHANGED_BRANCH = { project: text().required, branch: text() } satisfies Table<ChangedBranch>;

/** Throws TypeError (`ERR_INVALID_ARG`) for what are no branches. */
export function readChanged(changed: unknown): ChangedBranch[] {
  if (!Array.isArray(changed)) throw invalidArgument('changed', changed, 'a list of { project, branch }');
  return changed.map((one, at) => readOptions(CHANGED_BRANCH, one, `changed[${String(at)}]`));
}
