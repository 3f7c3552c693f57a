/**
 * What a repository refers to elsewhere: its submodules, and its files in Git LFS. Their URLs are chosen by its authors, so
 * each has to be allowed. Fetched into the clone only, without the lock of the cache's copy.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CachedRepo } from './cached-repo.js';
import { ExecutorError } from './executor-error.js';
import { nameAbsence } from './git-error.js';
import { checkUrl, keyOfRepo, stripCredentials } from './repo-name.js';

/** What a workspace gets beside the projects. */
export interface WorkspaceExtras {
  readonly submodules: boolean;
  readonly lfs: boolean;
  readonly mayFetchFrom: (url: string) => boolean;
}

/** A clone with files; in the cache, its submodules count as parts of its copy. */
interface Clone {
  readonly repo: CachedRepo;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Submodules of submodules. */
const MAX_DEPTH = 10;

/** Rejects with an ExecutorError (`ERR_URL_REFUSED`), and as git does. */
export async function fetchExtras(clone: Clone, extras: WorkspaceExtras): Promise<void> {
  const { repo, folder } = clone;
  if (extras.lfs) await fetchLfs(clone, extras, ['-c', `remote.origin.url=${repo.url}`]);
  if (extras.submodules) await fetchSubmodules(clone, extras, folder, 1);
}

async function fetchSubmodules(clone: Clone, extras: WorkspaceExtras, folder: string, depth: number): Promise<void> {
  if (!existsSync(join(folder, '.gitmodules'))) return;
  const { repo } = clone;
  if (depth > MAX_DEPTH) {
    const what = `${keyOfRepo(repo.name)} has submodules that are nested more than ${String(MAX_DEPTH)} levels deep`;
    throw new ExecutorError('ERR_NO_REPOSITORY', what, { repository: repo.name });
  }
  await inFolder(clone, folder, ['submodule', '--quiet', 'init']);
  for (const [, url] of await settingsIn(clone, folder, [], String.raw`^submodule\..*\.url$`)) {
    checkSource(clone, extras, url, 'a submodule');
  }
  await inFolder(clone, folder, ['submodule', '--quiet', 'update']);
  const paths = await settingsIn(clone, folder, ['--file', '.gitmodules'], String.raw`^submodule\..*\.path$`);
  for (const [, path] of paths) {
    const inside = join(folder, path);
    // Not of this commit, or not active.
    if (!existsSync(join(inside, '.git'))) continue;
    const part = { ...clone, folder: inside };
    if (extras.lfs) await fetchLfs(part, extras, []);
    await fetchSubmodules(part, extras, inside, depth + 1);
  }
}

/** The filters stay in the clone, or commands of the job would see each of these files as changed. */
async function fetchLfs(clone: Clone, extras: WorkspaceExtras, origin: readonly string[]): Promise<void> {
  const { folder } = clone;
  if (existsSync(join(folder, '.lfsconfig'))) {
    for (const [, url] of await settingsIn(clone, folder, ['--file', '.lfsconfig'], 'url$')) {
      checkSource(clone, extras, url, 'the LFS files');
    }
  }
  await inFolder(clone, folder, ['lfs', 'install', '--local', '--skip-repo']);
  await inFolder(clone, folder, [...origin, 'lfs', 'pull', 'origin']);
}

/** Names and values. */
async function settingsIn(
  { repo, signal }: Clone,
  folder: string,
  from: readonly string[],
  pattern: string,
): Promise<(readonly [name: string, value: string])[]> {
  const args = ['config', '--null', ...from, '--get-regexp', pattern];
  const { stdout } = await repo.inClone(folder, args, { orStatus: 1, signal });
  const entries = stdout.toString().split('\0').slice(0, -1);
  return entries.map(entry => {
    const end = entry.indexOf('\n');
    return [entry.slice(0, end), entry.slice(end + 1)];
  });
}

function checkSource({ repo }: Clone, { mayFetchFrom }: WorkspaceExtras, url: string, of: string): void {
  const { name } = repo;
  const refusal = (why: string): ExecutorError => {
    const what = `${of} of ${keyOfRepo(name)} must not be fetched from ${stripCredentials(url)} (${why})`;
    return new ExecutorError('ERR_URL_REFUSED', what, { repository: name });
  };
  try {
    checkUrl(url);
  } catch {
    throw refusal('not a URL that is allowed for repositories');
  }
  if (!mayFetchFrom(url)) throw refusal('see mayFetchFrom');
}

async function inFolder({ repo, signal }: Clone, folder: string, args: readonly string[]): Promise<void> {
  try {
    await repo.inClone(folder, args, { isRemote: true, signal });
  } catch (error) {
    throw nameAbsence(error);
  }
}
