import type { CachedRepo } from './cached-repo.js';
import { GitError } from './git-error.js';
import { LinkEnds } from './link-ends.js';
import { listFiles } from './list-files.js';

/** The text of each file by its path; null for a missing file. */
export type FileTexts = Readonly<Record<string, string | null>>;

/**
 * Reads files out of a commit without a work tree. A path with a slash at the end stands for all files below it. Symbolic
 * links are followed within the commit.
 *
 * Rejects with a GitError, and with an ExecutorError (`ERR_LINK`) for a link that leads to no file there.
 */
export async function readFiles(
  repo: CachedRepo,
  commit: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<FileTexts> {
  const files = new Map<string, string | null>();
  for (const path of paths) if (!path.endsWith('/')) files.set(path, null);
  if (paths.length === 0) return {};
  const found = await listFiles(repo, commit, paths, signal);
  const isWanted = (path: string): boolean => files.has(path) || isBelow(path, paths);
  const entries = new Map([...found].filter(([path]) => isWanted(path)));
  const ends = new LinkEnds(repo, commit, signal);
  // What is not there may be behind a link to a directory.
  for (const path of paths) {
    const isThere = [...found.keys()].some(one => one === path || (path.endsWith('/') && one.startsWith(path)));
    if (!isThere) await ends.addBehind(path, entries);
  }
  const blobs = new Map<string, string>();
  for (const [path, { id, isLink }] of entries) blobs.set(path, isLink ? await ends.blobOf(path) : id);
  const contents = await readBlobs(repo, [...blobs.values()], signal);
  for (const [path, id] of blobs) files.set(path, contents.get(id) ?? null);
  return Object.fromEntries(files);
}

function isBelow(path: string, paths: readonly string[]): boolean {
  return paths.some(folder => folder.endsWith('/') && path.startsWith(folder));
}

const LINE_END = 10;

async function readBlobs(
  repo: CachedRepo,
  ids: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  if (ids.length === 0) return contents;
  const input = ids.map(id => `${id}\n`).join('');
  const { stdout } = await repo.inGitDir(['cat-file', '--batch'], { input, signal });
  // Each is a line `<id> blob <size>`, that many bytes, and a line end.
  for (let at = 0; at < stdout.length;) {
    const end = stdout.indexOf(LINE_END, at);
    const [id = '', type, size] = stdout.toString('utf8', at, end).split(' ');
    // A tree names it, so the repository is damaged.
    if (type !== 'blob') throw new GitError('ERR_GIT_FAILED', 'cat-file', 'found damage', `fatal: missing blob ${id}`);
    const start = end + 1;
    contents.set(id, stdout.toString('utf8', start, start + Number(size)));
    at = start + Number(size) + 1;
  }
  return contents;
}
