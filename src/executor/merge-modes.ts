import { invalidArgument } from '../option/invalid-argument.js';
import { ExecutorError } from './executor-error.js';
import { GitError } from './git-error.js';
import { forgetUnfinished } from './git-leftovers.js';
import type { MergeMode, Step } from './merge-step.js';
import { checkMade, conflict, isAncestor, type Made, parentsOf, TREE_MODES } from './merge-trees.js';
import { keyOfRepo } from './repo-name.js';
import { squashCommit } from './squash-commit.js';

/** For git before 2.38, in a work tree. */
const MODES: Readonly<Record<MergeMode, (step: Step) => Promise<void>>> = {
  async merge({ repo, change, message, signal }) {
    await repo.inTree(['merge', '--quiet', '--no-edit', '-m', message, change], { signal });
  },
  async 'squash-merge'(step) {
    const { repo, change, signal } = step;
    await repo.inTree(['merge', '--quiet', '--squash', change], { signal });
    const { text: tree } = await repo.inTree(['write-tree'], { signal });
    await repo.inTree(['update-ref', '--no-deref', 'HEAD', await squashCommit(step, tree)], { signal });
    await forgetUnfinished(repo.gitDir); // the message that git has prepared for a commit of its own
  },
  async 'cherry-pick'(step) {
    const { repo, change, base, signal } = step;
    const { exitCode } = await repo.inTree(['merge-base', '--is-ancestor', change, base], { orStatus: 1, signal });
    if (exitCode === 0) return;
    const { text } = await repo.inTree(['rev-list', '--parents', '-n', '1', change], { signal });
    if (text.split(' ').length > 2) return MODES.merge(step);
    await repo.inTree(['cherry-pick', '--allow-empty', '--keep-redundant-commits', change], { signal });
  },
  async rebase({ repo, base, change, signal }) {
    await repo.inTree(['rebase', '--quiet', '--no-autostash', base, change], { signal });
  },
};

export function checkMode(mode: unknown, field = 'mode'): MergeMode {
  if (typeof mode === 'string' && Object.hasOwn(MODES, mode)) return mode as MergeMode;
  throw invalidArgument(field, mode, `one of ${Object.keys(MODES).join(', ')}`);
}

/** Returns the resulting commit. Rejects with an ExecutorError (`ERR_MERGE_CONFLICT`, `ERR_SHALLOW`) or a GitError. */
export async function putOnBase(mode: MergeMode, step: Step): Promise<string> {
  await refuseCutHistory(mode, step);
  const isInTrees = await step.repo.mergesTrees(step.signal);
  const made = isInTrees ? await TREE_MODES[mode](step) : await putInWorkTree(mode, step);
  await checkMade(step, made);
  return made.commit;
}

async function putInWorkTree(mode: MergeMode, step: Step): Promise<Made> {
  const { repo, base, signal } = step;
  await repo.reset(base, signal);
  try {
    await MODES[mode](step);
  } catch (error) {
    const paths = await conflictingPaths(error, step);
    if (paths.length === 0) throw error;
    throw conflict(paths, error as GitError);
  }
  const { text: commit } = await repo.inTree(['rev-parse', '--verify', 'HEAD'], { signal });
  return { commit, expected: { parents: await expectedParents(mode, step, commit) } };
}

/** The commit's parents, as far as the mode and the commits determine them. */
async function expectedParents(mode: MergeMode, step: Step, commit: string): Promise<readonly string[]> {
  const { base, change } = step;
  const parents = await parentsOf(step, commit);
  const isOld = commit === base ? isAncestor(step, change, base) : commit === change && isAncestor(step, base, change);
  if (await isOld) return parents;
  if (mode === 'rebase') return (await isAncestor(step, base, commit)) ? parents : [base];
  const isMerge = mode === 'merge' || (mode === 'cherry-pick' && (await parentsOf(step, change)).length > 1);
  return isMerge ? [base, change] : [base];
}

/** Without a common history, git treats all files of both sides as changes and would report conflicts. */
async function refuseCutHistory(mode: MergeMode, { repo, base, change, signal }: Step): Promise<void> {
  if (!repo.isShallow) return;
  const isThere =
    mode === 'cherry-pick' ? ['rev-parse', '--verify', '--quiet', `${change}^`] : ['merge-base', base, change];
  const { exitCode } = await repo.inGitDir(isThere, { orStatus: 1, signal });
  if (exitCode === 0) return;
  const message =
    `the common history of ${change} and ${base} is not in the remote of ${keyOfRepo(repo.name)}, which is a ` +
    'shallow clone; fetch its full history (git fetch --unshallow), or use the repository from which it was cloned';
  throw new ExecutorError('ERR_SHALLOW', message, { repository: repo.name });
}

/** Read from the index, which does not depend on git's messages. Empty for any other failure. */
async function conflictingPaths(error: unknown, { repo, signal }: Step): Promise<string[]> {
  if (!(error instanceof GitError) || error.code !== 'ERR_GIT_FAILED' || error.exitCode !== 1) return [];
  const { stdout } = await repo.inTree(['diff', '--name-only', '--diff-filter=U', '-z'], { signal });
  return [
    ...new Set(
      stdout
        .toString()
        .split('\0')
        .filter(path => path !== ''),
    ),
  ];
}
