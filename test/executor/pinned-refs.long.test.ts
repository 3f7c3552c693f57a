/** A job with the state of a merge sees the branches and tags of then, wherever the cache is by now. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import type { ExecuteReport, RefCommits, RepoState } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { type Bench, benchIn, codeOf, valueOf } from './executors.js';
import { git, type Remote, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };
const SHOW = "cd git/web && git for-each-ref --format='%(refname) %(objectname)'";

function refsOf(remote: Remote): RefCommits {
  const lines = git(remote.folder, 'for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads', 'refs/tags');
  return Object.fromEntries(lines.split('\n').map(line => line.split(' ') as [string, string]));
}

/** What a workspace shows of a state: remote branches, tags, and the branch that is checked out. */
function shown(refs: RefCommits, head: string): string[] {
  const all = Object.entries(refs).map(
    ([ref, commit]) => `${ref.replace(/^refs\/heads\//, 'refs/remotes/origin/')} ${commit}`,
  );
  return [`refs/heads/main ${head}`, ...all].sort();
}

async function run(all: Bench, repoState: RepoState, commands: readonly string[] = [SHOW]): Promise<ExecuteReport> {
  return valueOf(await all.jobs.submit('executor:execute', { projects: [WEB], commands, repoState }));
}

function linesOf(report: ExecuteReport): string[] {
  const lines = report.commands[0]?.result.stdout.trim().split('\n') ?? [];
  return lines.filter(line => !line.startsWith('refs/remotes/origin/HEAD ')).sort();
}

test('branches and tags of a workspace are those of the state, and later ones are not there', async () => {
  const workshop = new Workshop();
  await using all = benchIn(workshop);
  const web = workshop.remote('web');
  git(web.folder, 'tag', 'v1');
  git(web.folder, 'tag', '-a', 'v1.0.1', '-m', 'with a message');
  for (const name of ['stays', 'moves', 'goes', 'becomes']) git(web.folder, 'branch', name);
  const then = refsOf(web);
  const main = web.commitOf('main');
  const merge = valueOf(await all.jobs.submit('merger:merge', { items: [{ ...WEB, ref: 'refs/heads/stays' }] }));
  assert.deepEqual(merge.repoState, { git: { web: then } });

  web.commit({ 'later.txt': 'later' });
  git(web.folder, 'tag', '--force', 'v1');
  git(web.folder, 'tag', 'v2');
  git(web.folder, 'branch', '--force', 'moves');
  git(web.folder, 'branch', '-D', 'goes', 'becomes');
  git(web.folder, 'branch', 'becomes/a-folder');
  git(web.folder, 'branch', 'new');
  await all.executor.update(WEB);

  const report = await run(all, merge.repoState, [SHOW, 'cd git/web && git status']);
  assert.deepEqual(linesOf(report), shown(then, main));
  assert.equal(report.projects[0]?.unpinned, undefined);
  // Without a state the workspace is as the cache is.
  const now = linesOf(await run(all, {})).filter(line => !line.startsWith('refs/heads/'));
  assert.deepEqual(now, shown(refsOf(web), main).slice(1));
});

test('a merged branch is checked out, and its remote branch is as it was before', async () => {
  const workshop = new Workshop();
  await using all = benchIn(workshop);
  const web = workshop.remote('web');
  const ref = web.change('a', { 'a.txt': 'a' });
  const before = web.commitOf('main');
  const merge = valueOf(await all.jobs.submit('merger:merge', { items: [{ ...WEB, ref }] }));
  web.commit({ 'later.txt': 'later' });
  await all.executor.update(WEB);
  const commands = ['cd git/web && git rev-parse HEAD origin/main && ls'];
  const { branches: projects, repoState, commit } = merge;
  const report = valueOf(await all.jobs.submit('executor:execute', { projects, commands, repoState }));
  assert.equal(report.commands[0]?.result.stdout, `${commit}\n${before}\nREADME.md\na.txt\n`);
});

test('no local branch of a workspace shows a later commit, whatever the branch of the job is', async () => {
  const workshop = new Workshop();
  await using all = benchIn(workshop);
  const web = workshop.remote('web');
  git(web.folder, 'branch', 'stable');
  const repoState = { git: { web: refsOf(web) } };
  const main = web.commitOf('main');
  web.commit({ 'later.txt': 'later' });
  const job = { projects: [{ ...WEB, branch: 'stable' }], commands: [SHOW], repoState };
  const report = valueOf(await all.jobs.submit('executor:execute', job));
  assert.deepEqual(
    linesOf(report).filter(line => line.startsWith('refs/heads/')),
    [`refs/heads/stable ${main}`],
  );
});

test('a commit that was forced away is got from the cache or the remote; one that is nowhere is named', async () => {
  const workshop = new Workshop();
  await using all = benchIn(workshop);
  const web = workshop.remote('web');
  const base = web.commitOf('main');
  const forced = web.commit({ 'forced.txt': 'away' });
  git(web.folder, 'branch', 'side', forced);
  const then = { 'refs/heads/main': forced, 'refs/heads/side': forced };
  await all.executor.update(WEB);
  git(web.folder, 'reset', '--quiet', '--hard', base);
  git(web.folder, 'branch', '--force', 'side', base);
  await all.executor.update(WEB);
  // In the cache, in no ref.
  assert.deepEqual(linesOf(await run(all, { git: { web: then } })), shown(then, forced));
  // At the remote, in no ref.
  await using other = benchIn(workshop, {}, { folder: `${workshop.cacheFolder}-2` });
  assert.deepEqual(linesOf(await run(other, { git: { web: then } })), shown(then, forced));
  await other.executor.close();
  // Nowhere, while the job needs it not.
  const nowhere = 'f'.repeat(40);
  const odd = { 'refs/heads/main': base, 'refs/heads/side': nowhere, 'refs/tags/v0': base };
  const report = await run(all, { git: { web: odd } });
  assert.deepEqual(linesOf(report), shown({ 'refs/heads/main': base, 'refs/tags/v0': base }, base));
  assert.deepEqual(report.projects[0]?.unpinned, ['refs/heads/side']);
  // And while it does.
  const lost = { projects: [WEB], commands: [SHOW], repoState: { git: { web: { 'refs/heads/main': nowhere } } } };
  assert.equal(codeOf(await all.jobs.submit('executor:execute', lost)), 'ERR_NO_REF');
});

test('a state with names that are no refs is refused, and runs nothing', async () => {
  const workshop = new Workshop();
  await using all = benchIn(workshop);
  const base = workshop.remote('web').commitOf('main');
  for (const name of ['refs/heads/a\ndelete refs/heads/main', 'refs/heads/../../config', 'refs/heads/a b', '-x']) {
    const repoState = { git: { web: { [name]: base } } };
    const answer = await all.jobs.submit('executor:execute', { projects: [WEB], commands: ['true'], repoState });
    assert.equal(codeOf(answer), 'ERR_INVALID_ARG', name);
  }
});

test('a repository with two thousand tags is pinned as a whole', async () => {
  const workshop = new Workshop();
  await using all = benchIn(workshop);
  const web = workshop.remote('web');
  const base = web.commitOf('main');
  const names = Array.from({ length: 2000 }, (_, at) => `refs/tags/v${String(at)}`);
  const create = (refs: readonly string[], commit: string): void => {
    const input = refs.map(ref => `update ${ref} ${commit}\n`).join('');
    execFileSync('git', ['-C', web.folder, 'update-ref', '--stdin'], { input });
  };
  create(names, base);
  const then = refsOf(web);
  create([...names.slice(0, 1000), 'refs/tags/w'], web.commit({ 'later.txt': 'later' }));
  assert.deepEqual(linesOf(await run(all, { git: { web: then } })), shown(then, base));
});
