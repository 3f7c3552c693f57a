/** What is wrong with one file of a layout. */
import { inspect } from 'node:util';
import type { LayoutFault } from '../layout-error.js';
import type { ConfigFile } from '../loader-options.js';

/** A file may be wrong a hundred thousand times over. */
const MAX_FAULTS = 100;

export class FileFaults {
  readonly #file: ConfigFile;
  readonly #faults: { readonly line: number; readonly reason: string }[] = [];
  #leftOut = 0;

  constructor(file: ConfigFile) {
    this.#file = file;
  }

  /** `reason` is not asked for when there are so many already that this one is only counted. */
  add(line: number, reason: () => string): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push({ line, reason: reason() });
    else this.#leftOut += 1;
  }

  /** In the order of their lines. */
  all(): LayoutFault[] {
    const { project, branch, path } = this.#file;
    const faults: LayoutFault[] = this.#faults
      .toSorted((a, b) => a.line - b.line)
      .map(fault => ({ project, branch, path, ...fault }));
    const more = { project, branch, path, reason: `${String(this.#leftOut)} more faults` };
    return this.#leftOut === 0 ? faults : [...faults, more];
  }
}

/** For names, which are no secrets. */
export function quoted(name: string): string {
  return inspect(name, { maxStringLength: 60, breakLength: Infinity });
}
