import type { CachedRepo } from './cached-repo.js';

/** A file or a symbolic link of a commit. */
export interface TreeEntry {
  /** The id of its blob. */
  readonly id: string;
  readonly isLink: boolean;
}

/** The entries of a tree by path: all that `paths` may name. */
export async function listFiles(
  repo: CachedRepo,
  tree: string,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, TreeEntry>> {
  const { stdout } = await repo.inGitDir(['ls-tree', '-r', '-z', '--full-tree', tree, '--', ...paths], { signal });
  const entries = new Map<string, TreeEntry>();
  for (const line of stdout.toString().split('\0')) {
    // The first tab: a path may have tabs too.
    const tab = line.indexOf('\t');
    const [mode, type, id = ''] = line.slice(0, tab).split(' ');
    if (type === 'blob') entries.set(line.slice(tab + 1), { id, isLink: mode === '120000' });
  }
  return entries;
}
