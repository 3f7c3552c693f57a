/** Clones of a job's projects, made of the cache's copies. */
import { lstat, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-table.js';
import type { CachedRepo } from './cached-repo.js';
import { ExecutorError } from './executor-error.js';
import { cureFor, GitError } from './git-error.js';
import { own, refsIn } from './merge-item.js';
import type { RepoCache, RepoState } from './repo-cache.js';
import {
  checkBranch,
  checkRef,
  checkRepoName,
  checkUrl,
  isCommit,
  keyOfRepo,
  type RepoName,
  stripCredentials,
} from './repo-name.js';

/** A project that a job needs; a branch that a merge gave (`Merged.branches`) is one. */
export interface JobProject extends RepoName {
  readonly branch: string;
  /** What is checked out as the branch. Default: its commit in the job's `repoState`, or as it is now. */
  readonly commit?: string | undefined;
  /** Where the commit is when it is in no branch. With a `commit` only, as a ref may have gone on since. */
  readonly ref?: string | undefined;
  /** The repository that has the ref. Default: the executor's own copy; another one only if `mayFetchFrom` allows it. */
  readonly url?: string | undefined;
}

/** What was checked out. */
export interface ClonedProject extends RepoName {
  readonly branch: string;
  readonly commit: string;
  /** Relative to the workspace. */
  readonly path: string;
}

const FIELDS = ['connection', 'project', 'branch', 'commit', 'ref', 'url'] satisfies (keyof JobProject)[];

/** Throws TypeError (`ERR_INVALID_ARG`) that names the field at fault. */
export function checkProject(project: JobProject): JobProject {
  checkNames(project, FIELDS);
  const { branch, commit, ref, url } = project;
  checkBranch(branch);
  if (commit !== undefined && !isCommit(commit)) throw invalidArgument('commit', commit, "a commit's whole name");
  if (ref !== undefined) checkRef(ref);
  if (url !== undefined) checkUrl(url);
  if (commit === undefined && (ref ?? url) !== undefined) {
    throw invalidArgument('commit', commit, "a commit's whole name, as there is a ref or a url to fetch it from");
  }
  return { ...project, ...checkRepoName(project) };
}

/** Throws TypeError (`ERR_INVALID_ARG`) for two that would have the same place. */
export function checkPlaces(projects: readonly JobProject[]): void {
  const keys = new Set<string>();
  for (const project of projects) {
    const key = keyOfRepo(project);
    if (keys.has(key))
      throw invalidArgument('projects', key, 'each repository once: its place is the same for all branches');
    keys.add(key);
  }
}

/** Under `<connection>/<project>` each. What others do with these repositories waits, one at a time. */
export async function cloneWorkspace(
  cache: RepoCache,
  folder: string,
  projects: readonly JobProject[],
  repoState: RepoState | undefined,
  signal: AbortSignal,
): Promise<ClonedProject[]> {
  const cloned: ClonedProject[] = [];
  // A project inside of another comes after it.
  const inOrder = [...projects].sort((one, other) => one.project.length - other.project.length);
  for (const project of inOrder) {
    const { connection, branch } = project;
    const path = join(connection, project.project);
    await makeParents(folder, path);
    const saved = own(refsIn(repoState, project), `refs/heads/${branch}`);
    const wanted = { ...project, commit: project.commit ?? saved };
    const clone = async ([repo]: readonly CachedRepo[]): Promise<string | undefined> =>
      repo?.curing(async () => checkOut(repo, join(folder, path), wanted, signal), signal);
    const commit = await cache.withRepos([project], clone, signal);
    cloned.push({ connection, project: project.project, branch, commit: commit ?? '', path });
  }
  return cloned;
}

/** What is a link in a project around it would lead out of the workspace, and what is there would be removed. */
async function makeParents(folder: string, path: string): Promise<void> {
  let place = folder;
  for (const part of dirname(path).split('/')) {
    place = join(place, part);
    try {
      await mkdir(place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if ((await lstat(place)).isDirectory()) continue;
      const what = `in the place of a folder for ${path}, another project of the job has a file or a link`;
      throw new ExecutorError('ERR_PLACE_TAKEN', what, { cause: error });
    }
  }
}

async function checkOut(repo: CachedRepo, folder: string, project: JobProject, signal: AbortSignal): Promise<string> {
  const { branch, ref, url = repo.gitDir } = project;
  const commit = project.commit ?? (await repo.refs(signal))[`refs/heads/${branch}`];
  if (commit === undefined) throw new ExecutorError('ERR_NO_REF', `${keyOfRepo(project)} has no branch ${branch}`);
  await repo.cloneTo(folder, signal);
  const inClone = async (args: readonly string[], isRemote = false): Promise<unknown> =>
    repo.inClone(folder, args, { isRemote, signal });
  await inClone(['remote', 'set-url', 'origin', stripCredentials(repo.url)]);
  if (ref !== undefined) await inClone(['fetch', '--quiet', '--no-tags', '--', url, ref], true);
  try {
    await inClone(['cat-file', '-e', `${commit}^{commit}`]);
  } catch (error) {
    if (!(error instanceof GitError) || error.code !== 'ERR_GIT_FAILED' || cureFor(error) !== undefined) throw error;
    throw new ExecutorError('ERR_NO_REF', `${keyOfRepo(project)} has no commit ${commit}`, { cause: error });
  }
  await inClone(['checkout', '--quiet', '-B', branch, commit]);
  return commit;
}
