/** What is to be reconfigured, and the complaints about what cannot be. */
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-reader.js';

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

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readSignal(options: ReconfigureOptions): AbortSignal | undefined {
  checkNames(options, ['signal']);
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument('signal', signal, 'an AbortSignal');
  }
  return signal;
}

/** Throws TypeError (`ERR_INVALID_ARG`) for what are no branches. */
export function readChanged(changed: unknown): ChangedBranch[] {
  if (!Array.isArray(changed)) throw invalidArgument('changed', changed, 'a list of { project, branch }');
  return changed.map((one: unknown) => {
    checkNames(one, ['project', 'branch']);
    const { project, branch } = one as Partial<ChangedBranch>;
    if (typeof project !== 'string') throw invalidArgument('changed: project', project, 'a string');
    if (branch !== undefined && typeof branch !== 'string')
      throw invalidArgument('changed: branch', branch, 'a string');
    return { project, branch };
  });
}
