/** What a job gets to see, and that nothing in a project leads out of its workspace. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { JobAnswer, JobProject } from 'drone-task-queue/executor';
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
  // In the remote's own directory is the other project's remote.
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
  const report = valueOf(await jobs.submit('executor:execute', { projects, commands }));
  assert.equal(report.commands[0]?.result.stdout, 'first\nfirst\n');
});

test('without a branch a job sees what HEAD of the remote is at, also when that is detached', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  const web = workshop.remote('web');
  const see = async (): Promise<readonly (string | null | undefined)[]> => {
    const commands = ['git -C git/web symbolic-ref --short -q HEAD; cat git/web/a.txt'];
    const report = valueOf(await jobs.submit('executor:execute', { projects: [WEB], commands }));
    return [report.projects[0]?.branch, report.commands[0]?.result.stdout];
  };
  git(web.folder, 'checkout', '--quiet', '-b', 'topic');
  web.commit({ 'a.txt': 'topic' });
  assert.deepEqual(await see(), ['topic', 'topic\ntopic']);
  git(web.folder, 'checkout', '--quiet', '--detach');
  web.commit({ 'a.txt': 'detached' });
  assert.deepEqual(await see(), [null, 'detached']);
  git(web.folder, 'branch', '--quiet', '-D', 'main', 'topic');
  assert.deepEqual(await see(), [null, 'detached'], 'a remote without any branch');
});

test('a remote without a commit at its HEAD is named, where no branch is', async () => {
  await using all = bench();
  const web = all.workshop.remote('web');
  git(web.folder, 'symbolic-ref', 'HEAD', 'refs/heads/unborn');
  const answer = await all.jobs.submit('executor:execute', { projects: [WEB], commands: [] });
  assert.deepEqual(
    [codeOf(answer), !answer.ok && answer.error.message],
    ['ERR_NO_REF', 'git:web has no commit at its HEAD; name a branch of it'],
  );
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
  const merge = valueOf(await jobs.submit('merger:merge', { items: [{ ...WEB, branch: 'main', ref }] }));
  const own = { projects: merge.branches, commands: ['ls git/web/a.txt'] };
  valueOf(await jobs.submit('executor:execute', own));
  assert.deepEqual(asked, []);
  const secret = workshop.remote('secret').commit({ 'secret.txt': 's' });
  git(workshop.folder, 'clone', '--quiet', '--bare', join(workshop.folder, 'remotes/secret'), 'allowed');
  const from = async (url: string): Promise<JobAnswer> => {
    const project = { ...WEB, branch: 'main', commit: secret, ref: 'refs/heads/main', url };
    return jobs.submit('executor:execute', { projects: [project], commands: ['ls git/web/secret.txt'] });
  };
  assert.equal(codeOf(await from(join(workshop.folder, 'remotes/secret'))), 'ERR_URL_REFUSED');
  valueOf(await from(join(workshop.folder, 'allowed')));
});

test('a job that overwrites its workspace in place, objects included, reaches neither cache nor merges', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  const web = workshop.remote('web');
  for (const name of ['b', 'c']) web.commit({ [`${name}.txt`]: name });
  const ref = web.change('a', { 'a.txt': 'a' });
  const merge = valueOf(await jobs.submit('merger:merge', { items: [{ ...WEB, branch: 'main', ref }] }));
  const commands = [
    '! grep -r "$CACHE" git/web',
    'test -z "$(find . -type f -links +1)"',
    'find . -type f -exec chmod u+w {} +',
    'for file in $(find . -type f); do echo overwritten > "$file"; done',
    'find . -type f -exec chmod 000 {} +',
  ];
  const env = { CACHE: workshop.cacheFolder };
  for (const project of [{ ...WEB, branch: 'main' }, ...merge.branches]) {
    valueOf(await jobs.submit('executor:execute', { projects: [project], commands, env }));
  }
  // Nothing of it is made anew: the merge is in the cache only.
  assert.match(git(workshop.gitDir('web'), 'fsck', '--full', '--strict'), /^$/);
  const again = { projects: merge.branches, commands: ['cat git/web/a.txt git/web/b.txt'] };
  const report = valueOf(await jobs.submit('executor:execute', again));
  assert.equal(report.commands[0]?.result.stdout, 'ab');
});
