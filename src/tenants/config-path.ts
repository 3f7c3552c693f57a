/** Paths of configuration in a repository: files, and directories with a slash at the end. */
import { invalidArgument } from '../option/invalid-argument.js';

/**
 * Where a branch's configuration is: only in the first of these that has any files. A slash at the end means all files
 * below.
 */
export const DEFAULT_ROOTS: readonly string[] = ['drones.yaml', 'drones.d/', '.drones.yaml', '.drones.d/'];

export function isFolder(name: string): boolean {
  return name.endsWith('/');
}

/** Whether the name covers the path; `ci/` does not cover `ci-old/a`. */
export function takesIn(name: string, path: string): boolean {
  return isFolder(name) ? path.startsWith(name) : path === name;
}

const EXPECTED_PATH = "a path from the repository's root, without empty, . or .. parts";

/** Throws a TypeError (`ERR_INVALID_ARG`) unless it is a path from the repository's root. */
export function checkConfigPath(field: string, path: unknown): string {
  if (typeof path !== 'string' || path.includes('\0')) throw invalidArgument(field, path, EXPECTED_PATH);
  const parts = (isFolder(path) ? path.slice(0, -1) : path).split('/');
  if (parts.some(part => part === '' || part === '.' || part === '..')) {
    throw invalidArgument(field, path, EXPECTED_PATH);
  }
  return path;
}

/** The same for a file. */
export function checkFilePath(field: string, path: unknown): string {
  const checked = checkConfigPath(field, path);
  if (isFolder(checked)) throw invalidArgument(field, path, 'the path of a file');
  return checked;
}

/** The names, checked, each once. Roots, which are searched anyway, are refused. */
export function checkExtraPaths(field: string, paths: unknown, roots: readonly string[]): string[] {
  if (!Array.isArray(paths)) throw invalidArgument(field, paths, 'a list of paths');
  const checked = paths.map((path, at) => {
    const name = checkConfigPath(`${field}[${String(at)}]`, path);
    if (roots.includes(name)) {
      throw invalidArgument(`${field}[${String(at)}]`, name, 'a path that is not already searched');
    }
    return name;
  });
  return [...new Set(checked)];
}

/** Throws a TypeError (`ERR_INVALID_ARG`) for no roots, bad paths, and the same root twice. */
export function checkRoots(roots: unknown): readonly string[] {
  if (!Array.isArray(roots) || roots.length === 0) throw invalidArgument('roots', roots, 'a list of paths');
  const checked = roots.map((root, at) => checkConfigPath(`roots[${String(at)}]`, root));
  if (new Set(checked).size < checked.length) throw invalidArgument('roots', roots, 'each path once');
  return checked;
}
