/**
 * Gives a clone the branches and tags of a saved state. The clone has those of the cache as of now, with which commands
 * that compare with `origin/main`, or name a version after the last tag, would get different results each time.
 */
import type { CachedRepo, RefCommits } from './cached-repo.js';
import { ExecutorError } from './executor-error.js';
import { nameAbsence } from './git-error.js';
import { checkRef } from './repo-name.js';

/** For the cache's own copy: its git takes no configuration from the one that fetches. */
const ANY_COMMIT = '--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack';
/** Fetched one by one when the server refuses all of them together. */
const MAX_SINGLE_FETCHES = 100;

/** A clone without files yet, and the repository that it was made of. */
interface Clone {
  readonly repo: CachedRepo;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Returns the refs whose commits no repository has any more. Rejects with a TypeError (`ERR_INVALID_ARG`). */
export async function pinRefs(clone: Clone, state: RefCommits): Promise<string[]> {
  const wanted = new Map<string, string>();
  for (const [ref, commit] of Object.entries(state)) {
    const name = checkRef(ref).replace(/^refs\/heads\//, 'refs/remotes/origin/');
    if (/^refs\/(remotes\/origin|tags)\//.test(name)) wanted.set(name, commit);
  }
  const missing = await fetchMissing(clone, new Set(wanted.values()));
  const now = await refsOf(clone);
  const pinned = new Map([...wanted].filter(([, commit]) => !missing.has(commit)));
  const stays = (ref: string, { target }: Ref): boolean => pinned.has(target === '' ? ref : target);
  const old = [...now].flatMap(([ref, is]) => (stays(ref, is) ? [] : [`delete ${ref}`]));
  const fresh = [...pinned].filter(([ref, commit]) => now.get(ref)?.commit !== commit);
  // First what is to go, as `a/b` may be in the way of `a`.
  await updateRefs(clone, old);
  await updateRefs(
    clone,
    fresh.map(([ref, commit]) => `update ${ref} ${commit}`),
  );
  return Object.entries(state).flatMap(([ref, commit]) => (missing.has(commit) ? [ref] : []));
}

interface Ref {
  readonly commit: string;
  /** The target of a symbolic ref; otherwise empty. */
  readonly target: string;
}

/** All refs of a clone. */
async function refsOf({ repo, folder, signal }: Clone): Promise<Map<string, Ref>> {
  const args = ['for-each-ref', '--format=%(refname) %(objectname) %(symref)'];
  const { text } = await repo.inClone(folder, args, { signal });
  const lines = text === '' ? [] : text.split('\n');
  return new Map(
    lines.map(line => {
      const [ref = '', commit = '', target = ''] = line.split(' ');
      return [ref, { commit, target }];
    }),
  );
}

async function updateRefs({ repo, folder, signal }: Clone, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  // Not what a symbolic ref points at.
  const input = lines.map(line => `option no-deref\n${line}\n`).join('');
  await repo.inClone(folder, ['update-ref', '--stdin'], { input, signal });
}

/** Looks in the cache, which may have them in no ref, and at the remote. Returns those that are nowhere. */
async function fetchMissing(clone: Clone, commits: ReadonlySet<string>): Promise<Set<string>> {
  const { repo } = clone;
  let missing = await missingOf(clone, commits);
  for (const url of [repo.gitDir, repo.url]) {
    if (missing.size === 0) return missing;
    const here = [...missing];
    if (await isFetched(async () => fetchCommits(clone, url, here))) return new Set();
    for (const commit of here.slice(0, MAX_SINGLE_FETCHES)) {
      await isFetched(async () => fetchCommits(clone, url, [commit]));
    }
    missing = await missingOf(clone, missing);
  }
  return missing;
}

/** Fetches by commit id: the cache's copy needs no ref for them, nor does a server that allows it. */
async function fetchCommits({ repo, folder, signal }: Clone, url: string, commits: readonly string[]): Promise<void> {
  const any = url === repo.gitDir ? [ANY_COMMIT] : [];
  const args = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--stdin', ...any, '--', url];
  const input = commits.map(commit => `${commit}\n`).join('');
  try {
    await repo.inClone(folder, args, { input, isRemote: true, signal });
  } catch (error) {
    throw nameAbsence(error);
  }
}

async function missingOf({ repo, folder, signal }: Clone, commits: ReadonlySet<string>): Promise<Set<string>> {
  const input = [...commits].map(commit => `${commit}\n`).join('');
  const { text } = await repo.inClone(folder, ['cat-file', '--batch-check'], { input, signal });
  return new Set(text.split('\n').flatMap(line => (line.endsWith(' missing') ? [line.split(' ')[0] ?? ''] : [])));
}

/** False when the server does not have one of them. */
async function isFetched(fetch: () => Promise<void>): Promise<boolean> {
  try {
    await fetch();
    return true;
  } catch (error) {
    if (error instanceof ExecutorError && error.code === 'ERR_NO_REF') return false;
    throw error;
  }
}
