/** What is wrong with a tenant's configuration. */
import { invalidArgument } from '../option/invalid-argument.js';

/** One thing that is wrong, and where. What is not known is left out. */
export interface LayoutFault {
  readonly project?: string | undefined;
  readonly branch?: string | undefined;
  readonly path?: string | undefined;
  /** From 1. */
  readonly line?: number | undefined;
  readonly reason: string;
}

/** For `makeLayout` to throw: everything that is wrong, so that it can be mended in one go. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError';
  readonly code = 'ERR_LAYOUT';
  readonly faults: readonly LayoutFault[];

  /** Throws TypeError (`ERR_INVALID_ARG`) when nothing is wrong. */
  constructor(faults: readonly LayoutFault[]) {
    if (!Array.isArray(faults) || faults.length === 0)
      throw invalidArgument('faults', faults, 'a list of at least one');
    super(faults.map(faultText).join('\n'));
    this.faults = faults;
  }
}

/** `path:line (project, branch): reason`, as much of it as is known. */
export function faultText({ project, branch, path, line, reason }: LayoutFault): string {
  const place = path === undefined ? '' : line === undefined ? path : `${path}:${String(line)}`;
  const origin = [project, branch].filter(part => part !== undefined).join(', ');
  const where = [place, origin === '' ? '' : `(${origin})`].filter(part => part !== '').join(' ');
  return where === '' ? reason : `${where}: ${reason}`;
}
