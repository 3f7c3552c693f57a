/**
 * The configuration files of one branch of one project, shared by all tenants that use it.
 *
 * Kept are the names (of files and folders) that were searched, each with the ltime of the newest search, and the text of
 * the files that were found. A path has been checked when a name that takes it in has; it is as new as the newest such
 * search; checked and without text it is known to be absent. So there is one ltime for what is there and what is not, and
 * it only grows: a search says something only about paths that no newer one has taken in.
 */
import { invalidArgument } from '../option/invalid-argument.js';
import { checkExtraPaths, checkFilePath, checkRoots, DEFAULT_ROOTS, isFolder, takesIn } from './config-path.js';
import { checkLtime } from './logical-clock.js';

/** What a search of a branch has brought. */
export interface BranchLoad {
  /** Taken before the search began: it has seen all that was there by then. */
  readonly ltime: number;
  /** What was searched beside the roots: files, and folders with a slash at the end. */
  readonly extraPaths: readonly string[];
  /** By path. Null and the empty text mean that there is no such file; so does a path that is left out. */
  readonly files: ReadonlyMap<string, string | null>;
}

/** A file of configuration. */
export interface BranchFile {
  readonly path: string;
  readonly text: string;
}

/** What is known of a path. */
export type PathState =
  | { readonly state: 'unchecked' }
  | { readonly state: 'absent'; readonly ltime: number }
  | { readonly state: 'present'; readonly ltime: number; readonly text: string };

/** Every method is one step: nobody sees half of a load. */
export class BranchCache {
  readonly #roots: readonly string[];
  /** By name of a file or folder. */
  readonly #searchedAt = new Map<string, number>();
  readonly #texts = new Map<string, string>();

  /** `roots`: where configuration is looked for in every branch. Default `DEFAULT_ROOTS`. */
  constructor(roots: readonly string[] = DEFAULT_ROOTS) {
    this.#roots = checkRoots(roots);
  }

  /**
   * Takes over what a search has brought. Of a path that was checked at a later ltime nothing changes; of others, what was
   * found replaces what was there, and what was searched and not found is gone. Files that were not searched for are left
   * out.
   *
   * Throws TypeError (`ERR_INVALID_ARG`), and takes over nothing then.
   */
  load(load: BranchLoad): void {
    const { files } = load;
    const ltime = checkLtime('ltime', load.ltime);
    const searched = [...this.#roots, ...checkExtraPaths('extraPaths', load.extraPaths, this.#roots)];
    if (!((files as unknown) instanceof Map)) throw invalidArgument('files', files, 'a Map');
    for (const [path, text] of files) {
      checkFilePath('a path in files', path);
      if (text !== null && typeof text !== 'string')
        throw invalidArgument(`typeof text of ${path}`, typeof text, "'string'");
    }

    const isOurs = (path: string): boolean =>
      searched.some(name => takesIn(name, path)) && this.#checkedAt(path) <= ltime;
    const gone = [...this.#texts.keys()].filter(path => !files.get(path) && isOurs(path));
    const found = [...files].filter(([path, text]) => text && isOurs(path));
    for (const path of gone) this.#texts.delete(path);
    for (const [path, text] of found) if (text) this.#texts.set(path, text);
    for (const name of searched) this.#searchedAt.set(name, Math.max(ltime, this.#searchedAt.get(name) ?? ltime));
  }

  /**
   * Whether the roots and all of `extraPaths` were checked at `minLtime` or later: the smallest of their ltimes, or
   * undefined. With -1 it is enough that they were checked at all.
   */
  validFor(extraPaths: readonly string[], minLtime: number): number | undefined {
    checkLtime('minLtime', minLtime, -1);
    const names = [...this.#roots, ...checkExtraPaths('extraPaths', extraPaths, this.#roots)];
    const oldest = Math.min(...names.map(name => this.#checkedAt(name)));
    return oldest === NEVER || oldest < minLtime ? undefined : oldest;
  }

  /**
   * The files of the first root that has any, then those that `extraPaths` names, each once: single files in the order
   * given, then what is in folders. Folders' files are sorted by path. Never files that only others have named.
   */
  get(extraPaths: readonly string[]): BranchFile[] {
    const extras = checkExtraPaths('extraPaths', extraPaths, this.#roots);
    const [root] = this.rootsInUse();
    const paths = [
      ...(root === undefined ? [] : this.#pathsIn([root])),
      ...extras.filter(name => this.#texts.has(name)),
      ...this.#pathsIn(extras.filter(isFolder)),
    ];
    return [...new Set(paths)].map(path => ({ path, text: this.#texts.get(path) ?? '' }));
  }

  /** The roots that have files, in their order: the first is used, the others are not. */
  rootsInUse(): string[] {
    return this.#roots.filter(root => this.#pathsIn([root]).length > 0);
  }

  /** What is known of a file. Throws TypeError (`ERR_INVALID_ARG`) for what is not the path of one. */
  stateOf(path: string): PathState {
    const ltime = this.#checkedAt(checkFilePath('path', path));
    const text = this.#texts.get(path);
    if (ltime === NEVER) return { state: 'unchecked' };
    return text === undefined ? { state: 'absent', ltime } : { state: 'present', ltime, text };
  }

  #checkedAt(path: string): number {
    let newest = NEVER;
    for (const [name, ltime] of this.#searchedAt) if (ltime > newest && takesIn(name, path)) newest = ltime;
    return newest;
  }

  #pathsIn(names: readonly string[]): string[] {
    return [...this.#texts.keys()].filter(path => names.some(name => takesIn(name, path))).sort();
  }
}

/** Older than all ltimes. */
const NEVER = -1;
