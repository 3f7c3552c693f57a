/**
 * The configuration files of one branch of one project, shared by all tenants that use it.
 *
 * It keeps the searched names (of files and directories), each with the ltime of its newest search, and the texts found. A
 * path is checked once a name that covers it was searched, and as new as the newest such search; checked without a text it
 * is absent. So a path's ltime only grows: a search counts only for paths that no newer one covers.
 */
import { invalidArgument } from '../option/invalid-argument.js';
import { checkExtraPaths, checkFilePath, checkRoots, DEFAULT_ROOTS, isFolder, takesIn } from './config-path.js';
import { checkLtime } from './logical-clock.js';

/** The result of searching a branch. */
export interface BranchLoad {
  /** Taken before the search began: the search has seen everything up to then. */
  readonly ltime: number;
  /** Searched in addition to the roots: files, and directories with a slash at the end. */
  readonly extraPaths: readonly string[];
  /** Texts by path. Null, an empty text or a missing path means that there is no such file. */
  readonly files: ReadonlyMap<string, string | null>;
}

/** A configuration file. */
export interface BranchFile {
  readonly path: string;
  readonly text: string;
}

/** What is known about a path. */
export type PathState =
  | { readonly state: 'unchecked' }
  | { readonly state: 'absent'; readonly ltime: number }
  | { readonly state: 'present'; readonly ltime: number; readonly text: string };

/** The configuration files of a branch. Every method is atomic: no caller sees a partial load. */
export class BranchCache {
  readonly #roots: readonly string[];
  /** By name of a file or directory. */
  readonly #searchedAt = new Map<string, number>();
  readonly #texts = new Map<string, string>();

  /** `roots`: where to look for configuration in every branch. Default `DEFAULT_ROOTS`. */
  constructor(roots: readonly string[] = DEFAULT_ROOTS) {
    this.#roots = checkRoots(roots);
  }

  /**
   * Stores the result of a search. Paths that were checked at a later ltime stay as they are; others get the text that
   * was found, or are absent. Files outside the search are ignored.
   *
   * Throws a TypeError (`ERR_INVALID_ARG`) for an invalid argument, and then changes nothing.
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
   * The smallest ltime of the roots and `extraPaths` if it is at least `minLtime` (-1 for any), otherwise undefined.
   */
  validFor(extraPaths: readonly string[], minLtime: number): number | undefined {
    checkLtime('minLtime', minLtime, -1);
    const names = [...this.#roots, ...checkExtraPaths('extraPaths', extraPaths, this.#roots)];
    const oldest = Math.min(...names.map(name => this.#checkedAt(name)));
    return oldest === NEVER || oldest < minLtime ? undefined : oldest;
  }

  /**
   * The files of the first root that has any, then those of `extraPaths`, each once: single files in the given order,
   * then files in directories, sorted by path. It never returns files that only other callers have named.
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

  /** The roots that have files, in order. Only the first one is used. */
  rootsInUse(): string[] {
    return this.#roots.filter(root => this.#pathsIn([root]).length > 0);
  }

  /** What is known about a path. Throws a TypeError (`ERR_INVALID_ARG`) if the argument is not the path of a file. */
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
