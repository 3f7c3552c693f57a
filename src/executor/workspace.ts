/** Clones of a job's projects, made of the cache's copies. */
import { lstat, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-table.js';
import type { CachedRepo, RefCommits } from './cached-repo.js';
import type { ClonedProject } from './execute-report.js';
import { ExecutorError } from './executor-error.js';
import { cureFor, GitError } from './git-error.js';
import { own, refsIn } from './merge-item.js';
import { pinRefs } from './pinned-refs.js';
import { HEAD, READ_DEFAULT } from './remote.js';
import type { RepoCache, RepoState } from './repo-cache.js';
import { checkBranch, checkRef, checkRepoName, checkUrl, isCommit, keyOfRepo, stripCredentials } from './repo-name.js';
import type { RepoName } from './repo-name.js';
import { fetchExtras, type WorkspaceExtras } from './workspace-extras.js';

/** A project that a job needs, such as a branch from a merge (`Merged.branches`). */
export interface JobProject extends RepoName {
  /** Default: the branch of the remote's HEAD; if that is detached, its commit without a branch. */
  readonly branch?: string | undefined;
  /** Checked out as the branch. Default: its commit in the job's `repoState`, or as it is now. */
  readonly commit?: string | undefined;
  /** A ref that holds a commit which is on no branch. Needs `commit`, because a ref may have moved since. */
  readonly ref?: string | undefined;
  /** The repository that has the ref. Default: the executor's own copy; others only if `mayFetchFrom` allows them. */
  readonly url?: string | undefined;
}

const FIELDS = ['connection', 'project', 'branch', 'commit', 'ref', 'url'] satisfies (keyof JobProject)[];

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the field at fault. */
export function checkProject(project: JobProject, within: string): JobProject {
  checkNames(project, FIELDS, within);
  const { branch, commit, ref, url } = project;
  if (branch !== undefined) checkBranch(branch, `${within}.branch`);
  if (commit !== undefined && !isCommit(commit)) {
    throw invalidArgument(`${within}.commit`, commit, "a commit's whole name");
  }
  if (ref !== undefined) checkRef(ref, `${within}.ref`);
  if (url !== undefined) checkUrl(url);
  if (commit === undefined && (ref ?? url) !== undefined) {
    throw invalidArgument(
      `${within}.commit`,
      commit,
      'a full commit id, because there is a ref or a url to fetch it from',
    );
  }
  return { ...project, ...checkRepoName(project, `${within}.`) };
}

/** Throws a TypeError (`ERR_INVALID_ARG`) for two that would have the same place. */
export function checkPlaces(projects: readonly JobProject[]): void {
  const keys = new Set<string>();
  for (const key of projects.map(keyOfRepo)) {
    if (keys.has(key))
      throw invalidArgument('projects', key, 'each repository once: its place is the same for all branches');
    keys.add(key);
  }
}

/** What a workspace is made of. */
export interface WorkspaceParts extends WorkspaceExtras {
  readonly cache: RepoCache;
  readonly projects: readonly JobProject[];
  readonly repoState: RepoState | undefined;
}

/** Under `<connection>/<project>` each. Locks one repository at a time. */
export async function cloneWorkspace(
  folder: string,
  { cache, projects, repoState, ...extras }: WorkspaceParts,
  signal: AbortSignal,
): Promise<ClonedProject[]> {
  const cloned: ClonedProject[] = [];
  // A project inside another comes after it.
  const inOrder = [...projects].sort((one, other) => one.project.length - other.project.length);
  for (const project of inOrder) {
    const { connection } = project;
    const path = join(connection, project.project);
    await makeParents(folder, path);
    const state = refsIn(repoState, project);
    const clone = async (repo: CachedRepo): Promise<CheckedOut> =>
      repo.curing(async () => checkOut(repo, join(folder, path), project, state, signal), signal);
    const { repo, branch, commit, unpinned } = await cache.withRepo(project, clone, signal);
    await fetchExtras({ repo, folder: join(folder, path), signal }, extras);
    const lacks = unpinned.length > 0 ? { unpinned } : {};
    cloned.push({ connection, project: project.project, branch, commit, path, ...lacks });
  }
  return cloned;
}

/**
 * Refuses links in an outer project: they would lead out of the workspace, and the clone removes what it finds in its
 * place.
 */
async function makeParents(folder: string, path: string): Promise<void> {
  let place = folder;
  for (const part of dirname(path).split('/')) {
    place = join(place, part);
    try {
      await mkdir(place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if ((await lstat(place)).isDirectory()) continue;
      const what = `another project of the job has a file or a link in place of a directory for ${path}`;
      throw new ExecutorError('ERR_PLACE_TAKEN', what, { cause: error });
    }
  }
}

interface CheckedOut extends Required<Pick<ClonedProject, 'branch' | 'commit' | 'unpinned'>> {
  readonly repo: CachedRepo;
}

/** What is to be checked out, and the ref that has it if no branch or tag does. */
interface Target {
  readonly branch: string | null;
  readonly commit: string;
  readonly ref?: string | undefined;
}

async function checkOut(
  repo: CachedRepo,
  folder: string,
  project: JobProject,
  state: RefCommits | undefined,
  signal: AbortSignal,
): Promise<CheckedOut> {
  const { url = repo.gitDir } = project;
  const { branch, commit, ref } = await targetOf(repo, project, state, signal);
  await repo.cloneTo(folder, signal);
  const inClone = async (args: readonly string[]): Promise<unknown> => repo.inClone(folder, args, { signal });
  await inClone(['remote', 'set-url', 'origin', stripCredentials(repo.url)]);
  // An empty state is none.
  const isPinned = state !== undefined && Object.keys(state).length > 0;
  const unpinned = isPinned ? await pinRefs({ repo, folder, signal }, state) : [];
  if (ref !== undefined) await repo.fetchToClone(folder, url, ref, signal);
  try {
    await inClone(['cat-file', '-e', `${commit}^{commit}`]);
  } catch (error) {
    if (!(error instanceof GitError) || error.code !== 'ERR_GIT_FAILED' || cureFor(error) !== undefined) throw error;
    const why = repo.isShallow ? '; its remote is a shallow clone, which lacks history' : '';
    throw new ExecutorError('ERR_NO_REF', `${keyOfRepo(project)} has no commit ${commit}${why}`, {
      cause: error,
      repository: repo.name,
    });
  }
  await inClone(['checkout', '--quiet', ...(branch === null ? ['--detach'] : ['-B', branch]), commit]);
  return { repo, branch, commit, unpinned };
}

/** Rejects with an ExecutorError (`ERR_NO_REF`). */
async function targetOf(
  repo: CachedRepo,
  project: JobProject,
  state: RefCommits | undefined,
  signal: AbortSignal,
): Promise<Target> {
  const { ref } = project;
  const branch = project.branch ?? (await branchOfHead(repo, signal));
  if (branch === null) {
    if (project.commit !== undefined) return { branch, commit: project.commit, ref };
    const { text: head } = await repo.inGitDir(['rev-parse', '--verify', '--quiet', HEAD], { orStatus: 1, signal });
    if (head !== '') return { branch, commit: head, ref: HEAD };
    const what = `${keyOfRepo(project)} has no commit at its HEAD; name a branch of it`;
    throw new ExecutorError('ERR_NO_REF', what, { repository: repo.name });
  }
  const name = `refs/heads/${branch}`;
  const commit = project.commit ?? own(state, name) ?? (await repo.refs(signal))[name];
  if (commit !== undefined) return { branch, commit, ref };
  throw new ExecutorError('ERR_NO_REF', `${keyOfRepo(project)} has no branch ${branch}`, { repository: repo.name });
}

/** Null for a detached HEAD, and where there is none. */
async function branchOfHead(repo: CachedRepo, signal: AbortSignal): Promise<string | null> {
  const { text } = await repo.inGitDir(READ_DEFAULT, { orStatus: 1, signal });
  return text === '' ? null : text.replace(/^refs\/heads\//, '');
}
