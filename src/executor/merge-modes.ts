/** The ways to put a change on top of a base, in a work tree that stands at the base. */
import { invalidArgument } from '../option/invalid-argument.js';
import type { CachedRepo } from './cached-repo.js';

/**
 * - `merge`: a merge commit; or the change itself where it is ahead of the base (fast-forward).
 * - `squash-merge`: one commit with all that the change has and the base has not.
 * - `cherry-pick`: the last commit of the change, on top of the base; where that is a merge itself, as `merge`.
 * - `rebase`: all commits of the change that the base has not, one by one on top of the base.
 */
export type MergeMode = 'merge' | 'squash-merge' | 'cherry-pick' | 'rebase';

/** What is put where. */
interface Step {
  readonly repo: CachedRepo;
  readonly base: string;
  readonly change: string;
  /** Of a commit that is made. */
  readonly message: string;
  readonly signal: AbortSignal | undefined;
}

const MODES: Readonly<Record<MergeMode, (step: Step) => Promise<void>>> = {
  async merge({ repo, change, message, signal }) {
    await repo.inTree(['merge', '--quiet', '--no-edit', '-m', message, change], { signal });
  },
  async 'squash-merge'({ repo, change, message, signal }) {
    await repo.inTree(['merge', '--quiet', '--squash', change], { signal });
    await repo.inTree(['commit', '--quiet', '--allow-empty', '--no-verify', '-m', message], { signal });
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

export function checkMode(mode: unknown): MergeMode {
  if (typeof mode === 'string' && Object.hasOwn(MODES, mode)) return mode as MergeMode;
  throw invalidArgument('mode', mode, `one of ${Object.keys(MODES).join(', ')}`);
}

/** Gives the commit that came out. Rejects with git's words when the change does not go there. */
export async function putOnBase(mode: MergeMode, step: Step): Promise<string> {
  await step.repo.reset(step.base, step.signal);
  await MODES[mode](step);
  const { text } = await step.repo.inTree(['rev-parse', '--verify', 'HEAD'], { signal: step.signal });
  return text;
}
