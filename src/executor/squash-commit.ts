/**
 * The commit of a squash merge. Unless the item gives them, it has the author of the change's first commit and the messages
 * of all of its commits, as git squashes commits in a rebase.
 */
import type { Step } from './merge-step.js';

/** An author may push any number of commits. */
const MAX_MESSAGES = 100;
const DATE = /\d+ [+-]\d{4}$/;

/** Returns the commit. Written as it is, because an author's lines may be ones that git itself would not write. */
export async function squashCommit(step: Step, tree: string): Promise<string> {
  const { repo, base, change, signal } = step;
  const which = ['--topo-order', '--reverse', '--no-merges', `${base}..${change}`];
  const { text: list } = await repo.inGitDir(['rev-list', ...which], { signal });
  const ids = list === '' ? [] : list.split('\n');
  const { text: committer } = await repo.inGitDir(['var', 'GIT_COMMITTER_IDENT'], { signal });
  const author = await authorOf(step, ids[0], committer);
  const message = step.squash?.message ?? (await messageOf(step, ids));
  const header = [`tree ${tree}`, `parent ${base}`, `author ${author}`, `committer ${committer}`];
  const input = `${header.join('\n')}\n\n${message.trimEnd()}\n`;
  const args = ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'];
  const { text: commit } = await repo.inGitDir(args, { input, signal });
  return commit;
}

/** `name <email> date`. */
async function authorOf({ repo, squash, signal }: Step, first: string | undefined, committer: string): Promise<string> {
  const now = DATE.exec(committer)?.[0] ?? '';
  if (squash?.author !== undefined) return `${squash.author.name} <${squash.author.email}> ${now}`;
  if (first === undefined) return committer;
  const args = ['log', '--max-count=1', '--date=raw', '--format=%an <%ae> %ad', first, '--'];
  const line = (await repo.inGitDir(args, { signal })).stdout.toString().replace(/\n$/, '');
  return DATE.test(line) ? line : `${line.slice(0, line.lastIndexOf('>') + 1)} ${now}`;
}

async function messageOf({ repo, message, signal }: Step, ids: readonly string[]): Promise<string> {
  if (ids.length === 0) return message;
  const args = ['log', '--no-walk=unsorted', '--format=%B%x00', ...ids.slice(0, MAX_MESSAGES), '--'];
  const { text } = await repo.inGitDir(args, { signal });
  const messages = text.split('\0').map(each => each.trim());
  if (ids.length > MAX_MESSAGES) messages.push(`and ${String(ids.length - MAX_MESSAGES)} more commits`);
  return messages.filter(each => each !== '').join('\n\n');
}
