/**
 * Merges of git 2.38 and newer: trees are merged in git's memory, and commits are made of named trees and parents. No work
 * tree, index or HEAD is involved, so neither file conversions nor another process can change the result.
 */
import { oneLine } from '../report/untrusted-text.js';
import { ExecutorError } from './executor-error.js';
import { GitError } from './git-error.js';
import { attributesAt } from './merge-attributes.js';
import type { MergeMode, Step } from './merge-step.js';
import { squashCommit } from './squash-commit.js';

/** A commit as it is made of others. */
interface RawCommit {
  readonly tree: string;
  readonly parents: readonly string[];
  /** Lines of the header that a copy keeps: the author, and the encoding of author and message. */
  readonly kept: readonly Buffer[];
  readonly message: Buffer;
}

/** The commit that a mode has created or found. */
export interface Made {
  readonly commit: string;
  /** Undefined for a commit that was there before. */
  readonly expected?: { readonly tree?: string; readonly parents: readonly string[] };
}

const LINE_END = 10;

export const TREE_MODES: Readonly<Record<MergeMode, (step: Step) => Promise<Made>>> = {
  async merge(step) {
    const { base, change } = step;
    if (await isAncestor(step, change, base)) return { commit: base };
    if (await isAncestor(step, base, change)) return { commit: change };
    return commitOf(step, await mergedTree(step, base, change), [base, change]);
  },
  async 'squash-merge'(step) {
    const { base, change } = step;
    const tree = await mergedTree(step, base, change);
    return { commit: await squashCommit(step, tree), expected: { tree, parents: [base] } };
  },
  async 'cherry-pick'(step) {
    const { base, change } = step;
    if (await isAncestor(step, change, base)) return { commit: base };
    const raw = await rawCommit(step, change);
    return raw.parents.length > 1 ? TREE_MODES.merge(step) : pick(step, change, raw, base);
  },
  async rebase(step) {
    const { repo, base, change, signal } = step;
    const which = ['--topo-order', '--reverse', '--right-only', '--cherry-pick', '--no-merges'];
    const { text } = await repo.inGitDir(['rev-list', ...which, `${base}...${change}`], { signal });
    let made: Made = { commit: base };
    for (const id of text === '' ? [] : text.split('\n')) {
      const raw = await rawCommit(step, id);
      if (raw.parents.length === 1 && raw.parents[0] === made.commit) made = { commit: id };
      else made = await pick(step, id, raw, made.commit, 'drop what has become empty');
    }
    return made;
  },
};

/** Puts the change that a commit makes on top of another one. */
async function pick(
  step: Step,
  id: string,
  raw: RawCommit,
  tip: string,
  empty?: 'drop what has become empty',
): Promise<Made> {
  const { repo, signal } = step;
  const before = await treeOf(step, raw.parents[0]);
  const ours = await treeOf(step, tip);
  const tree = await pickedTree(step, id, raw, before, ours);
  if (tree === ours && before !== raw.tree && empty !== undefined) return { commit: tip };
  const { text: committer } = await repo.inGitDir(['var', 'GIT_COMMITTER_IDENT'], { signal });
  const header = [
    `tree ${tree}`,
    `parent ${tip}`,
    ...raw.kept.slice(0, 1),
    `committer ${committer}`,
    ...raw.kept.slice(1),
  ];
  const lines = header.flatMap(line => [Buffer.from(line), Buffer.from('\n')]);
  const input = Buffer.concat([...lines, Buffer.from('\n'), raw.message]);
  // The author's lines may be such as git would not write itself.
  const { text: commit } = await repo.inGitDir(['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], {
    input,
    signal,
  });
  return { commit, expected: { tree, parents: [tip] } };
}

async function pickedTree(step: Step, id: string, raw: RawCommit, before: string, ours: string): Promise<string> {
  if (ours === before) return raw.tree;
  // `merge-tree --merge-base` came later than `--write-tree`: temporary commits give the merge its ancestor.
  const ancestor = await bareCommit(step, before);
  const [one, other] = [await bareCommit(step, ours, ancestor), await bareCommit(step, raw.tree, ancestor)];
  const subject = raw.message.toString().split('\n', 1)[0] ?? '';
  return mergedTree(step, one, other, `could not apply ${id.slice(0, 7)}... ${subject}\n`);
}

async function bareCommit(step: Step, tree: string, ...parents: string[]): Promise<string> {
  return (await commitOf({ ...step, message: 'a step of a merge' }, tree, parents)).commit;
}

async function commitOf({ repo, message, signal }: Step, tree: string, parents: readonly string[]): Promise<Made> {
  const args = ['commit-tree', tree, ...parents.flatMap(parent => ['-p', parent]), '-m', message];
  const { text: commit } = await repo.inGitDir(args, { signal });
  return { commit, expected: { tree, parents } };
}

/** Rejects with an ExecutorError (`ERR_MERGE_CONFLICT`). */
async function mergedTree(step: Step, ours: string, theirs: string, preface = ''): Promise<string> {
  const { repo, signal } = step;
  const workTree = await attributesAt(repo, step.base, signal);
  const args = [`--work-tree=${workTree}`, 'merge-tree', '--write-tree', '-z', '--name-only', ours, theirs];
  const { exitCode, stdout } = await repo.inGitDir(args, { cwd: workTree, orStatus: 1, signal });
  const [tree = '', ...more] = stdout.toString().split('\0');
  if (tree.trim() === '')
    throw new GitError('ERR_GIT_FAILED', 'merge-tree', 'found damage', `fatal: bad object ${theirs}`);
  if (exitCode === 0) return tree.trim();
  const end = more.indexOf('');
  const paths = [...new Set(more.slice(0, end))];
  const words = `${preface}${messagesIn(more.slice(end + 1)).join('')}`;
  const cause = new GitError('ERR_GIT_FAILED', 'merge-tree', 'found conflicts', words, { exitCode });
  throw conflict(paths, cause);
}

/** The error for these conflicting files. */
export function conflict(paths: readonly string[], cause: GitError): ExecutorError {
  const message = `the change conflicts in ${oneLine(paths.join(', '))}: ${cause.words}`;
  return new ExecutorError('ERR_MERGE_CONFLICT', message, { cause, paths });
}

/** Each consists of a number of paths, the paths, a kind and a text. */
function messagesIn(parts: readonly string[]): string[] {
  const messages: string[] = [];
  for (let at = 0; at < parts.length - 1;) {
    const paths = Number(parts[at]);
    messages.push(parts[at + paths + 2] ?? '');
    at += paths + 3;
  }
  return messages;
}

export async function isAncestor({ repo, signal }: Step, one: string, other: string): Promise<boolean> {
  const { exitCode } = await repo.inGitDir(['merge-base', '--is-ancestor', one, other], { orStatus: 1, signal });
  return exitCode === 0;
}

/** The tree of a commit; the empty tree for the parent of a first commit. */
async function treeOf({ repo, signal }: Step, commit: string | undefined): Promise<string> {
  if (commit === undefined)
    return (await repo.inGitDir(['hash-object', '-w', '-t', 'tree', '--stdin'], { input: '', signal })).text;
  return (await repo.inGitDir(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`], { signal })).text;
}

async function rawCommit({ repo, signal }: Step, id: string): Promise<RawCommit> {
  const { stdout } = await repo.inGitDir(['cat-file', 'commit', id], { signal });
  const kept: Buffer[] = [];
  const parents: string[] = [];
  let tree = '';
  let at = 0;
  for (;;) {
    const end = stdout.indexOf(LINE_END, at);
    if (end <= at) break;
    const line = stdout.subarray(at, end);
    const [name = '', value = ''] = line.toString().split(' ');
    if (name === 'tree') tree = value;
    else if (name === 'parent') parents.push(value);
    else if (name === 'author' || name === 'encoding') kept.push(line);
    at = end + 1;
  }
  return { tree, parents, kept, message: stdout.subarray(at + 1) };
}

export async function parentsOf(step: Step, commit: string): Promise<readonly string[]> {
  return (await rawCommit(step, commit)).parents;
}

/** Rejects unless the repository has the commit as it was made. Another process is the only explanation. */
export async function checkMade(step: Step, { commit, expected }: Made): Promise<void> {
  if (expected === undefined) return;
  const { tree, parents } = await rawCommit(step, commit);
  const isRight = String(parents) === String(expected.parents) && (expected.tree ?? tree) === tree;
  if (isRight) return;
  const what = `${commit} is not the merge of ${step.base} and ${step.change}: another process uses this repository`;
  throw new ExecutorError('ERR_CACHE_IN_USE', what);
}
