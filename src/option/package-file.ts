/** Files of this package that it opens by their path. */
import { existsSync } from 'node:fs';

/** A bundler gives all modules one URL (to ES modules) or none (to CommonJS), or keeps the path of the machine that built it. */
const { url = '' } = import.meta as { url?: string };
// Loaders may add a query.
const isBundled = !url.replace(/[?#].*$/, '').endsWith('/option/package-file.js');

/**
 * The URL of the file at `path` beside the module `base`.
 *
 * - `ERR_BUNDLED`: the package is part of a bundle, which lacks the files that it starts. Nothing was started. Exclude
 *   the package from the bundle and install it beside the bundle.
 */
export function packageFile(path: string, base: string): URL {
  const file = isBundled ? undefined : new URL(path, base);
  if (file !== undefined && existsSync(file)) return file;
  throw Object.assign(
    new Error(
      'drone-task-queue cannot be part of a bundle: its worker threads and its agent are files of the package; ' +
        'exclude it (esbuild: --external:drone-task-queue) and install it beside the bundle',
    ),
    { code: 'ERR_BUNDLED' },
  );
}

/**
 * Imports a dependency with native parts. Bundlers do not follow it: they would stop at those parts, before `packageFile`
 * can name the remedy.
 */
export async function importUnbundled<T>(name: string): Promise<T> {
  return (await import(name)) as T;
}
