import { invalidArgument } from '../option/invalid-argument.js';

/** One fault in a tenant's configuration, and its location as far as known. */
export interface LayoutFault {
  readonly project?: string | undefined;
  readonly branch?: string | undefined;
  readonly path?: string | undefined;
  /** Counted from 1. */
  readonly line?: number | undefined;
  readonly reason: string;
}

/**
 * A tenant's configuration has faults. `makeLayout` throws it with all of them at once.
 *
 * - `ERR_LAYOUT`: a tenant's configuration has faults. `faults` lists each with its file and line. The tenant keeps its
 *   layout.
 */
export class LayoutError extends Error {
  override readonly name = 'LayoutError';
  readonly code = 'ERR_LAYOUT';
  readonly faults: readonly LayoutFault[];

  /** Throws a TypeError (`ERR_INVALID_ARG`) if there are no faults. */
  constructor(faults: readonly LayoutFault[]) {
    if (!Array.isArray(faults) || faults.length === 0)
      throw invalidArgument('faults', faults, 'a list of at least one');
    super(faults.map(faultText).join('\n'));
    this.faults = faults;
  }
}

/** `path:line (project, branch): reason`, as far as known. */
export function faultText({ project, branch, path, line, reason }: LayoutFault): string {
  const place = path === undefined ? '' : line === undefined ? path : `${path}:${String(line)}`;
  const origin = [project, branch].filter(part => part !== undefined).join(', ');
  const where = [place, origin === '' ? '' : `(${origin})`].filter(part => part !== '').join(' ');
  return where === '' ? reason : `${where}: ${reason}`;
}
