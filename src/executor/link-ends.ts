/** Where symbolic links of a commit lead, as git follows them: within the commit only, and in no circle. */
import { oneLine } from '../report/untrusted-text.js';
import type { CachedRepo } from './cached-repo.js';
import { ExecutorError } from './executor-error.js';
import { listFiles, type TreeEntry } from './list-files.js';
import { keyOfRepo } from './repo-name.js';

/** Git's word for a link that leads nowhere in the commit. */
const WHY: Readonly<Record<string, string>> = {
  symlink: 'leads out of the repository',
  dangling: 'leads to nothing',
  loop: 'leads in a circle',
  notdir: 'leads through a file',
  tree: 'leads to a directory, but a file is expected',
};

export class LinkEnds {
  readonly #repo: CachedRepo;
  readonly #commit: string;
  readonly #signal: AbortSignal | undefined;

  constructor(repo: CachedRepo, commit: string, signal: AbortSignal | undefined) {
    this.#repo = repo;
    this.#commit = commit;
    this.#signal = signal;
  }

  /** The blob that a link leads to. Rejects with an ExecutorError (`ERR_LINK`). */
  async blobOf(path: string): Promise<string> {
    const { what, id } = await this.#end(path);
    if (what === 'blob') return id;
    const why = WHY[what] ?? 'cannot be followed';
    const { name } = this.#repo;
    const message = `${oneLine(path)} of ${keyOfRepo(name)} is a symbolic link that ${why}`;
    throw new ExecutorError('ERR_LINK', message, { repository: name });
  }

  /** Adds what is at a path that leads through a link to a directory, if anything is. */
  async addBehind(path: string, entries: Map<string, TreeEntry>): Promise<void> {
    const isFolder = path.endsWith('/');
    const { what, id } = await this.#end(isFolder ? path.slice(0, -1) : path);
    if (!isFolder && what === 'blob') entries.set(path, { id, isLink: false });
    if (!isFolder || what === 'missing' || what === 'blob') return;
    if (what !== 'tree') await this.blobOf(path.slice(0, -1));
    for (const [name, entry] of await listFiles(this.#repo, id, [], this.#signal)) entries.set(path + name, entry);
  }

  async #end(path: string): Promise<{ readonly what: string; readonly id: string }> {
    // A line of input has one path.
    if (path.includes('\n')) return { what: 'loop', id: '' };
    const args = ['cat-file', '--batch-check', '--follow-symlinks'];
    const { stdout } = await this.#repo.inGitDir(args, { input: `${this.#commit}:${path}\n`, signal: this.#signal });
    const line = stdout.toString().split('\n')[0] ?? '';
    if (line.endsWith(' missing')) return { what: 'missing', id: '' };
    const [id = '', what = ''] = line.split(' ');
    // A failure begins with its word and has a size in place of the type.
    return /^\d+$/.test(what) ? { what: id, id: '' } : { what, id };
  }
}
