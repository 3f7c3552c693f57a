/** Reads files out of a commit, without a work tree. */
import type { CachedRepo } from './cached-repo.js';
import { GitError } from './git-error.js';

/** The text of files by their paths; null for one that is not there. */
export type FileTexts = Readonly<Record<string, string | null>>;

/** `paths`: files, and folders with a slash at the end, of which each file below them is given. */
export async function readFiles(
  repo: CachedRepo,
  commit: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<FileTexts> {
  const files = new Map<string, string | null>();
  for (const path of paths) if (!path.endsWith('/')) files.set(path, null);
  if (paths.length === 0) return {};
  const { stdout } = await repo.inGitDir(['ls-tree', '-r', '-z', '--full-tree', commit, '--', ...paths], { signal });
  const blobs = new Map<string, string>();
  for (const line of stdout.toString().split('\0')) {
    // A path may have tabs, too.
    const tab = line.indexOf('\t');
    const [, type, id = ''] = line.slice(0, tab).split(' ');
    const path = line.slice(tab + 1);
    // What is below a path without a slash was not asked for.
    if (type === 'blob' && (files.has(path) || isBelow(path, paths))) blobs.set(path, id);
  }
  const contents = await readBlobs(repo, [...blobs.values()], signal);
  for (const [path, id] of blobs) files.set(path, contents.get(id) ?? null);
  return Object.fromEntries(files);
}

function isBelow(path: string, paths: readonly string[]): boolean {
  return paths.some(folder => folder.endsWith('/') && path.startsWith(folder));
}

const LINE_END = 10;

/** By their ids. */
async function readBlobs(
  repo: CachedRepo,
  ids: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  if (ids.length === 0) return contents;
  const input = ids.map(id => `${id}\n`).join('');
  const { stdout } = await repo.inGitDir(['cat-file', '--batch'], { input, signal });
  // Each as a line `<id> blob <size>`, that many bytes, and the end of a line.
  for (let at = 0; at < stdout.length;) {
    const end = stdout.indexOf(LINE_END, at);
    const [id = '', type, size] = stdout.toString('utf8', at, end).split(' ');
    // A tree names it, so it has to be there: this is no file that is missing, but a repository that is damaged.
    if (type !== 'blob') throw new GitError('ERR_GIT_FAILED', 'cat-file', 'found damage', `fatal: missing blob ${id}`);
    const start = end + 1;
    contents.set(id, stdout.toString('utf8', start, start + Number(size)));
    at = start + Number(size) + 1;
  }
  return contents;
}
