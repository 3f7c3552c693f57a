/** The pidfiles of a farm's commands that have ended. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Paths. Of a directory in a pidfile's place there is none. */
export function finishedPidfiles(folder: string): string[] {
  const results = join(folder, 'results');
  if (statSync(results, { throwIfNoEntry: false }) === undefined) return [];
  const paths = readdirSync(results).map(name => join(results, name, 'pid'));
  return paths.filter(path => isFile(path) && /\n\d+\n$/.test(readFileSync(path, 'utf8')));
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
