/** What a job gets to see, and that nothing in a project leads out of its workspace. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { ExecuteReport, JobAnswer, JobProject, MergeReply } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { bench, benchIn, codeOf, valueOf } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web' };
const LIB = { connection: 'git', project: 'web/sub/lib' };

test('a link in a project does not lead the clone of another project out of the workspace', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  const web = workshop.remote('web');
  workshop.remote('web/sub/lib');
  const outside = join(workshop.folder, 'outside');
  mkdirSync(join(outside, 'lib'), { recursive: true });
  writeFileSync(join(outside, 'lib/precious'), '');
  // In the remote's own folder is the other project's remote.
  git(web.folder, 'update-index', '--add', '--cacheinfo', `120000,${linkTo(web.folder, outside)},sub`);
  git(web.folder, 'commit', '--quiet', '-m', 'a link');
  const projects = [WEB, LIB].map(name => ({ ...name, branch: 'main' }));
  const answer = await jobs.submit('executor:execute', { projects, commands: [] });
  assert.equal(codeOf(answer), 'ERR_PLACE_TAKEN');
  assert.deepEqual([readdirSync(outside), readdirSync(join(outside, 'lib'))], [['lib'], ['precious']]);
  assert.deepEqual(readdirSync(all.workspaces), []);
});

/** Id of a blob that is a link to the path. */
function linkTo(folder: string, path: string): string {
  const file = join(folder, '..', 'link-text');
  writeFileSync(file, path);
  return git(folder, 'hash-object', '-w', file);
}

test('a project inside of another one is cloned into its folder', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  for (const { project } of [WEB, LIB]) workshop.remote(project);
  const projects = [LIB, WEB].map(name => ({ ...name, branch: 'main' }));
  const commands = ['cat git/web/README.md git/web/sub/lib/README.md'];
  const report = valueOf<ExecuteReport>(await jobs.submit('executor:execute', { projects, commands }));
  assert.equal(report.commands[0]?.result.stdout, 'first\nfirst\n');
});

const REFUSED: readonly (readonly [what: string, projects: readonly JobProject[]])[] = [
  ['a ref without the commit that it has', [{ ...WEB, branch: 'main', ref: 'refs/pull/1/head' }]],
  ['a URL without a commit', [{ ...WEB, branch: 'main', url: '/srv/web' }]],
  ['a ref in place of a commit', [{ ...WEB, branch: 'main', commit: 'refs/pull/1/head' }]],
  ['a repository twice', ['main', 'stable'].map(branch => ({ ...WEB, branch }))],
];

test('projects that would not be what was asked for are refused', async () => {
  await using all = bench();
  all.workshop.remote('web');
  for (const [what, projects] of REFUSED) {
    const answer = await all.jobs.submit('executor:execute', { projects, commands: [] });
    assert.equal(codeOf(answer), 'ERR_INVALID_ARG', what);
  }
});

test('a commit that is not there is an error, for which nothing is made anew', async () => {
  const lines: string[] = [];
  const log = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} };
  await using all = bench({}, { log });
  all.workshop.remote('web');
  const projects = [{ ...WEB, branch: 'main', commit: '1'.repeat(40) }];
  const answer = await all.jobs.submit('executor:execute', { projects, commands: [] });
  assert.deepEqual([codeOf(answer), lines], ['ERR_NO_REF', []]);
});

test('a project is fetched from elsewhere only where that is allowed', async () => {
  const workshop = new Workshop();
  const asked: string[] = [];
  const mayFetchFrom = (url: string): boolean => {
    asked.push(url);
    return url.endsWith('/allowed');
  };
  await using all = benchIn(workshop, { mayFetchFrom });
  const { jobs } = all;
  const web = workshop.remote('web');
  const ref = web.change('a', { 'a.txt': 'a' });
  const merge = valueOf<MergeReply>(await jobs.submit('merger:merge', { items: [{ ...WEB, branch: 'main', ref }] }));
  assert(merge.merged);
  const own = { projects: merge.branches, commands: ['ls git/web/a.txt'] };
  assert.equal(valueOf<ExecuteReport>(await jobs.submit('executor:execute', own)).succeeded, true);
  assert.deepEqual(asked, []);
  const secret = workshop.remote('secret').commit({ 'secret.txt': 's' });
  git(workshop.folder, 'clone', '--quiet', '--bare', join(workshop.folder, 'remotes/secret'), 'allowed');
  const from = async (url: string): Promise<JobAnswer> => {
    const project = { ...WEB, branch: 'main', commit: secret, ref: 'refs/heads/main', url };
    return jobs.submit('executor:execute', { projects: [project], commands: ['ls git/web/secret.txt'] });
  };
  assert.equal(codeOf(await from(join(workshop.folder, 'remotes/secret'))), 'ERR_URL_REFUSED');
  assert.equal(valueOf<ExecuteReport>(await from(join(workshop.folder, 'allowed'))).succeeded, true);
});
