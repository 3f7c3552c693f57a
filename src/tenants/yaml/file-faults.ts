/** The faults of one file of a layout. */
import { inspect } from 'node:util';
import type { LayoutFault } from '../layout-error.js';
import type { ConfigFile } from '../loader-options.js';

/** A file may have a hundred thousand. */
const MAX_FAULTS = 100;

export class FileFaults {
  readonly #file: ConfigFile;
  readonly #faults: { readonly line: number; readonly reason: string }[] = [];
  #leftOut = 0;

  constructor(file: ConfigFile) {
    this.#file = file;
  }

  /** Beyond `MAX_FAULTS` it only counts, and does not call `reason`. */
  add(line: number, reason: () => string): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push({ line, reason: reason() });
    else this.#leftOut += 1;
  }

  /** In the order of their lines. */
  all(): LayoutFault[] {
    const { project, branch, path } = this.#file;
    const faults = this.#faults.toSorted((a, b) => a.line - b.line);
    const more = this.#leftOut === 0 ? [] : [{ reason: `${String(this.#leftOut)} more faults` }];
    return [...faults, ...more].map(fault => ({ project, branch, path, ...fault }));
  }
}

/** For names, which are not secret. */
export function quoted(name: string): string {
  return inspect(name, { maxStringLength: 60, breakLength: Infinity });
}
