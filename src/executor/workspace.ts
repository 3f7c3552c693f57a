/** Clones of a job's projects, made of the cache's copies. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkNames } from '../option-reader.js';
import type { CachedRepo } from './cached-repo.js';
import { ExecutorError } from './executor-error.js';
import { own, refsIn } from './merge-item.js';
import type { RepoCache, RepoState } from './repo-cache.js';
import {
  checkBranch,
  checkRef,
  checkRepoName,
  checkUrl,
  keyOfRepo,
  type RepoName,
  stripCredentials,
} from './repo-name.js';

/** A project that a job needs; a branch that a merge gave (`Merged.branches`) is one. */
export interface JobProject extends RepoName {
  readonly branch: string;
  /** What is checked out as the branch. Default: its commit in the job's `repoState`, or as it is now. */
  readonly commit?: string | undefined;
  /** Where the commit is when it is in no branch: a ref, and the URL of a repository. Default: the cache's. */
  readonly ref?: string | undefined;
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
  for (const name of [commit, ref]) if (name !== undefined) checkRef(name);
  if (url !== undefined) checkUrl(url);
  return { ...project, ...checkRepoName(project) };
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
    await mkdir(dirname(join(folder, path)), { recursive: true });
    const saved = own(refsIn(repoState, project), `refs/heads/${branch}`);
    const wanted = { ...project, commit: project.commit ?? saved };
    const clone = async ([repo]: readonly CachedRepo[]): Promise<string | undefined> =>
      repo?.curing(async () => checkOut(repo, join(folder, path), wanted, signal), signal);
    const commit = await cache.withRepos([project], clone, signal);
    cloned.push({ connection, project: project.project, branch, commit: commit ?? '', path });
  }
  return cloned;
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
  await inClone(['checkout', '--quiet', '-B', branch, commit]);
  return commit;
}
