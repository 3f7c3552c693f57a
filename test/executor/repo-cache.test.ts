/** The cache follows its remotes wherever they go, and mends itself. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Merger } from 'drone-task-queue/executor';
import { silentLog } from '../../src/report/log.js';
import { leakCheck } from '../support/leak-check.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'org/web' };

/** Branches and tags, with their commits. */
function refs(folder: string): string {
  return git(folder, 'for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads', 'refs/tags');
}

test('an update brings new branches and tags, moves forced ones and takes deleted ones away', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const warnings: string[] = [];
  const cache = workshop.cache({ log: { ...silentLog, warn: (line: string) => void warnings.push(line) } });
  const first = remote.commitOf('main');
  for (const name of ['gone', 'forced', 'dir']) git(remote.folder, 'branch', name);
  for (const name of ['moved', 'deleted']) git(remote.folder, 'tag', name);
  await cache.update(NAME);
  assert.equal(refs(workshop.gitDir(NAME.project)), refs(remote.folder));

  remote.commit({ 'a.txt': 'a' });
  git(remote.folder, 'branch', '-D', 'gone', 'dir');
  // What was a branch is now a directory of branches, and the other way round the next time.
  git(remote.folder, 'branch', 'dir/sub');
  git(
    remote.folder,
    'branch',
    '--force',
    'forced',
    git(remote.folder, 'commit-tree', '-m', 'other', `${first}^{tree}`),
  );
  git(remote.folder, 'tag', '--force', 'moved');
  git(remote.folder, 'tag', '--delete', 'deleted');
  await cache.update(NAME);
  assert.equal(refs(workshop.gitDir(NAME.project)), refs(remote.folder));

  git(remote.folder, 'branch', '-D', 'dir/sub');
  git(remote.folder, 'branch', 'dir');
  await cache.update(NAME);
  assert.equal(refs(workshop.gitDir(NAME.project)), refs(remote.folder));
  assert.equal(cache.locks, 0);
  assert.deepEqual(warnings, [], 'nothing was made anew for it');
});

test('lock files that killed commands have left are no obstacle', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const cache = workshop.cache();
  await cache.update(NAME);
  remote.commit({ 'a.txt': 'a' });
  const gitDir = workshop.gitDir(NAME.project);
  for (const lock of ['packed-refs.lock', 'HEAD.lock', 'refs/heads/main.lock', 'shallow.lock', 'index.lock']) {
    writeFileSync(join(gitDir, lock), '');
  }
  await cache.update(NAME);
  assert.equal(refs(gitDir), refs(remote.folder));
});

test('a damaged copy is made anew, whether it is found so at the start or later', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const gitDir = workshop.gitDir(NAME.project);
  const first = workshop.cache();
  await first.update(NAME);
  rmSync(join(gitDir, 'HEAD'));
  await first.update(NAME);
  assert.equal(refs(gitDir), refs(remote.folder));

  rmSync(join(gitDir, 'objects'), { recursive: true });
  await workshop.cache().update(NAME);
  assert.equal(refs(gitDir), refs(remote.folder));
  assert.deepEqual(readdirSync(join(gitDir, '..')), ['org%2Fweb.git'], 'nothing is left over');
});

test('a damaged object is found when it is read, and its repository is made anew', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  remote.commit({ 'a.txt': 'the text' });
  const cache = workshop.cache();
  const merger = new Merger(cache);
  await cache.update(NAME);
  const gitDir = workshop.gitDir(NAME.project);
  for (const path of readdirSync(join(gitDir, 'objects'), { recursive: true, encoding: 'utf8' })) {
    if (/\.pack$|^..\/.{38}$/.test(path)) truncateSync(join(gitDir, 'objects', path), 5);
  }
  assert.deepEqual(await merger.getFiles(NAME, 'main', ['a.txt']), { 'a.txt': 'the text' });
});

test('a remote that is gone is an error, and what was there stays', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  remote.commit({ 'a.txt': 'the text' });
  const cache = workshop.cache();
  await cache.update(NAME);
  rmSync(remote.folder, { recursive: true });
  await assert.rejects(cache.update(NAME), { name: 'ExecutorError', code: 'ERR_NO_REPOSITORY' });
  assert.deepEqual(await new Merger(cache).getFiles(NAME, 'main', ['a.txt']), { 'a.txt': 'the text' });
});

test('what cannot be cloned leaves nothing, and the next attempt is a new one', async () => {
  using workshop = new Workshop();
  const cache = workshop.cache({ urlOf: () => join(workshop.folder, 'remotes', NAME.project) });
  await assert.rejects(cache.update(NAME), { code: 'ERR_NO_REPOSITORY' });
  assert.deepEqual(readdirSync(join(workshop.cacheFolder, 'git')), []);
  workshop.remote(NAME.project);
  await cache.update(NAME);
});

test('a repository without a URL, or with a bad one, is refused before git is run', async () => {
  using workshop = new Workshop();
  await assert.rejects(workshop.cache().update(NAME), { code: 'ERR_NO_REPOSITORY' });
  const file = join(workshop.folder, 'run');
  const cache = workshop.cache({ urlOf: () => `--upload-pack=touch ${file}` });
  await assert.rejects(cache.update(NAME), { code: 'ERR_INVALID_ARG' });
  await assert.rejects(cache.update({ connection: 'git', project: '../web' }), { code: 'ERR_INVALID_ARG' });
  assert.equal(existsSync(file), false);
});

test('free takes a repository off the disk, and the next use clones it again', async () => {
  using workshop = new Workshop();
  workshop.remote(NAME.project);
  const cache = workshop.cache();
  await cache.update(NAME);
  await cache.free(NAME);
  assert.equal(existsSync(workshop.gitDir(NAME.project)), false);
  await cache.update(NAME);
  assert.equal(existsSync(workshop.gitDir(NAME.project)), true);
  await cache.free({ connection: 'git', project: 'never-seen' });
  assert.equal(cache.locks, 0);
});

for (const singleLock of [false, true]) {
  const title = singleLock ? 'with a single lock one repository waits' : 'with a lock for each no repository waits';
  test(`${title} for another`, async () => {
    using workshop = new Workshop();
    for (const project of ['a', 'b']) workshop.remote(project);
    const [begun, goOn] = ['begun', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
    const hold = `case "$*" in *remotes/a*) touch ${begun}; until [ -e ${goOn} ]; do sleep 0.02; done;; esac`;
    const cache = workshop.cache({ singleLock, git: { program: workshop.insteadOf('fetch', hold) } });
    const ends: string[] = [];
    const update = async (project: string): Promise<void> => {
      await cache.update({ connection: 'git', project });
      ends.push(project);
    };
    const held = update('a');
    while (!existsSync(begun)) await delay(10);
    const other = update('b');
    if (!singleLock) await other;
    // As long as it takes where nothing holds it up.
    await workshop.cache({ folder: join(workshop.folder, 'elsewhere') }).update({ connection: 'git', project: 'b' });
    const during = [...ends];
    writeFileSync(goOn, '');
    await Promise.all([held, other]);
    assert.deepEqual([during, ends, cache.locks], singleLock ? [[], ['a', 'b'], 0] : [['b'], ['b', 'a'], 0]);
  });
}

test('a nested repository and a folder of a submodule do not keep a branch from being checked out', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  git(remote.folder, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},sub`);
  git(remote.folder, 'commit', '--quiet', '-m', 'a submodule');
  const cache = workshop.cache();
  const merger = new Merger(cache);
  const change = (name: string, from: string): object => ({
    ...NAME,
    branch: 'main',
    ref: remote.change(name, { [`${name}.txt`]: name }, from),
  });
  const one = await merger.mergeChanges([change('one', 'main') as never]);
  assert(one.ok);
  // A placeholder by now; and a repository was put into it.
  const tree = workshop.gitDir(NAME.project).replace(/git$/, 'tree');
  mkdirSync(join(tree, 'sub/.git'), { recursive: true });
  writeFileSync(join(tree, 'sub/.git/config'), '');
  git(remote.folder, 'rm', '--quiet', '--cached', 'sub');
  rmSync(join(remote.folder, 'sub'), { recursive: true, force: true });
  remote.commit({ sub: 'a file now\n' });
  const two = await merger.mergeChanges([change('two', 'main') as never], ['sub']);
  assert(two.ok);
  assert.deepEqual(two.files, [{ sub: 'a file now\n' }]);
});

test('options of a cache that cannot be are refused', () => {
  using workshop = new Workshop();
  const bad = [
    { folder: '' },
    { urlOf: 'x' },
    { servedAt: 1 },
    { singleLock: 1 },
    { keepMergesMs: -1 },
    { git: { attempts: 0 } },
    { no: 1 },
  ];
  for (const options of bad) assert.throws(() => workshop.cache(options as never), { code: 'ERR_INVALID_ARG' });
});
