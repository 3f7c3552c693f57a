/** Submodules and files in Git LFS: what a repository refers to elsewhere. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before } from 'node:test';
import test from 'node:test';
import type { JobAnswer, RepoExecutorOptions } from 'drone-task-queue/executor';
import { installPackage } from '../support/debian-package.js';
import { leakCheck } from '../support/leak-check.js';
import { bench, type Bench, codeOf, valueOf } from './executors.js';
import { git, type Remote } from './repositories.js';

before(async () => installPackage('git-lfs', { program: '/usr/bin/git-lfs' }));
leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };

function addSubmodule(remote: Remote, url: string, path: string): void {
  git(remote.folder, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', url, path);
  git(remote.folder, 'commit', '--quiet', '-m', `submodule ${path}`);
}

/** `web` has `lib`, which has `core`; the URLs are relative. */
function nested({ workshop }: Bench): void {
  const [web, lib] = [workshop.remote('web'), workshop.remote('lib')];
  workshop.remote('core').commit({ 'core.txt': 'core' });
  addSubmodule(lib, '../core', 'parts/core');
  addSubmodule(web, '../lib', 'lib');
}

async function run(
  { jobs }: Bench,
  ...commands: string[]
): Promise<JobAnswer<{ commands: readonly { result: { stdout: string } }[] }>> {
  return jobs.submit('executor:execute', { projects: [WEB], commands });
}

const ALL: Partial<RepoExecutorOptions> = { mayFetchFrom: () => true };

test('a workspace has no submodules unless they are asked for, and then those of submodules too', async () => {
  await using without = bench();
  nested(without);
  assert.equal(valueOf(await run(without, 'ls git/web/lib')).commands[0]?.result.stdout, '');
  await using all = bench({ ...ALL, submodules: true });
  nested(all);
  const report = valueOf(await run(all, 'cat git/web/lib/parts/core/core.txt', 'git -C git/web status --porcelain'));
  assert.deepEqual(
    report.commands.map(({ result }) => result.stdout),
    ['core', ''],
  );
});

test('a submodule is fetched only from where the executor may, at any depth', async () => {
  const asked: string[] = [];
  const mayFetchFrom = (url: string): boolean => {
    asked.push(url);
    return !url.endsWith('/core');
  };
  await using all = bench({ mayFetchFrom, submodules: true });
  nested(all);
  const answer = await run(all, 'true');
  assert.equal(codeOf(answer), 'ERR_URL_REFUSED');
  const remotes = join(all.workshop.folder, 'remotes');
  assert.deepEqual(asked, [join(remotes, 'lib'), join(remotes, 'core')]);
  assert.match(answer.ok ? '' : answer.error.message, /^a submodule of git:web must not be fetched from .*core/);
});

test('a submodule with a URL that is none of a repository is refused', async () => {
  await using all = bench({ ...ALL, submodules: true });
  const web = all.workshop.remote('web');
  all.workshop.remote('lib');
  addSubmodule(web, '../lib', 'lib');
  web.commit({ '.gitmodules': '[submodule "lib"]\n\tpath = lib\n\turl = ext::sh -c true\n' });
  assert.equal(codeOf(await run(all, 'true')), 'ERR_URL_REFUSED');
});

test('files in LFS are pointers unless their contents are asked for', async () => {
  await using without = bench();
  await using all = bench({ lfs: true });
  for (const one of [without, all]) {
    const web = one.workshop.remote('web');
    git(web.folder, 'lfs', 'install', '--local');
    git(web.folder, 'lfs', 'track', '*.bin');
    web.commit({ 'large.bin': 'large contents' });
  }
  const pointer = valueOf(await run(without, 'cat git/web/large.bin')).commands[0]?.result.stdout;
  assert.match(pointer ?? '', /^version https:\/\/git-lfs/);
  const report = valueOf(await run(all, 'cat git/web/large.bin', 'git -C git/web status --porcelain'));
  assert.deepEqual(
    report.commands.map(({ result }) => result.stdout),
    ['large contents', ''],
  );
});

test('an .lfsconfig leads only where the executor may fetch from', async () => {
  await using all = bench({ lfs: true });
  const web = all.workshop.remote('web');
  git(web.folder, 'lfs', 'install', '--local');
  git(web.folder, 'lfs', 'track', '*.bin');
  web.commit({ 'large.bin': 'x', '.lfsconfig': '[lfs]\n\turl = https://elsewhere.example/lfs\n' });
  const answer = await run(all, 'true');
  assert.equal(codeOf(answer), 'ERR_URL_REFUSED');
  assert.match(
    answer.ok ? '' : answer.error.message,
    /^the LFS files of git:web must not be fetched from https:\/\/elsewhere/,
  );
});
