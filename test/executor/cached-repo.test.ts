/** What is in a repository of the cache stays there for as long as it is needed, and no longer. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type MergedBranch, Merger, type RepoCache } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { until } from './executors.js';
import { git, type Remote, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };

async function merged(cache: RepoCache, remote: Remote, name: string): Promise<MergedBranch> {
  remote.commit({ 'main.txt': name });
  const ref = remote.change(name, { [`${name}.txt`]: `text of ${name}` }, 'main~1');
  const answer = await new Merger(cache).mergeChanges([{ ...NAME, branch: 'main', ref }]);
  assert(answer.ok, answer.ok ? '' : answer.error.message);
  const [branch] = answer.branches;
  assert(branch);
  return branch;
}

function results(workshop: Workshop): string {
  return git(workshop.gitDir(NAME.project), 'for-each-ref', '--format=%(refname)', 'refs/drone');
}

test('what a fetch that ran out of time has written is removed', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  await workshop.cache().update(NAME);
  remote.commit({ 'a.txt': 'a' });
  const objects = join(workshop.gitDir(NAME.project), 'objects');
  const parts = ['pack/tmp_pack_abc', 'pack/.tmp-1-pack-abc.pack', 'ab/tmp_obj_x', 'incoming-1/pack/x'];
  const script = parts.map(part => `mkdir -p $(dirname ${objects}/${part}); echo >${objects}/${part}`).join('; ');
  const program = workshop.insteadOf('fetch', `${script}; exec sleep 1000`);
  const slow = workshop.cache({ git: { program, timeoutMs: 3000 } });
  await assert.rejects(slow.update(NAME), { code: 'ERR_GIT_TIMEOUT' });
  const left = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter(path => /tmp|incoming/.test(path));
  assert.deepEqual(left, []);
  assert.match(git(workshop.gitDir(NAME.project), 'fsck', '--connectivity-only'), /^$/);
});

test('an update succeeds though garbage cannot be collected, and no other command collects it', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const [log, lines] = [join(workshop.folder, 'log'), [] as string[]];
  const program = workshop.insteadOf('gc', `echo "$@" >>${log}; echo 'fatal: no more' >&2; exit 128`);
  const noisy = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} };
  const cache = workshop.cache({ log: noisy, git: { program } });
  await cache.update(NAME);
  git(workshop.gitDir(NAME.project), 'config', 'gc.auto', '1');
  remote.commit({ 'a.txt': 'a' });
  await cache.update(NAME);
  await cache.update(NAME);
  await merged(cache, remote, 'b');
  await until('a gc', () => lines.length > 0);
  assert.deepEqual(lines, ['repo_cache: a repository of the cache could not be tidied']);
  assert.equal(existsSync(log), true);
});

test('a merge result that is not released goes in time, and only then', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const branch = await merged(workshop.cache(), remote, 'a');
  await workshop.cache({ keepMergesMs: 3_600_000 }).update(NAME);
  assert.equal(results(workshop).includes(branch.ref), true);
  const [, madeMs, rest] = /^refs\/drone\/merges\/(\d+)(-.*)$/.exec(branch.ref) ?? [];
  const old = `refs/drone/merges/${String(Number(madeMs) - 3_600_001)}${String(rest)}`;
  git(workshop.gitDir(NAME.project), 'update-ref', old, branch.commit);
  await workshop.cache({ keepMergesMs: 3_600_000 }).update(NAME);
  assert.deepEqual([results(workshop).includes(branch.ref), results(workshop).includes(old)], [true, false]);
});

test('when a repository is made anew, a merge result that is damaged takes no other one along', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const cache = workshop.cache();
  const [lost, kept] = [await merged(cache, remote, 'a'), await merged(cache, remote, 'b')];
  const gitDir = workshop.gitDir(NAME.project);
  const missing = git(gitDir, 'rev-parse', `${lost.commit}:a.txt`);
  const main = git(gitDir, 'rev-parse', 'refs/heads/main:README.md');
  for (const id of [missing, main]) rmSync(join(gitDir, 'objects', id.slice(0, 2), id.slice(2)));
  for (const ref of git(gitDir, 'for-each-ref', '--format=%(refname)', 'refs/drone/changes').split('\n'))
    git(gitDir, 'update-ref', '-d', ref);
  const texts = await new Merger(cache).getFiles(NAME, 'main', ['README.md']);
  assert.deepEqual(texts, { 'README.md': 'first\n' });
  assert.equal(results(workshop), kept.ref);
});

test('a release needs neither the repository nor its URL, minds no lock file, and one that fails stops no other', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const cache = workshop.cache();
  const branches = [await merged(cache, remote, 'a'), await merged(cache, remote, 'b')];
  const other = { ...(branches[0] as MergedBranch), project: 'never-seen' };
  const gitDir = workshop.gitDir(NAME.project);
  writeFileSync(join(gitDir, 'packed-refs.lock'), '');
  const strange = new Merger(workshop.cache({ urlOf: () => undefined }));
  await strange.release([other, ...branches.slice(0, 1)]);
  assert.equal(results(workshop).includes(branches[0]?.ref ?? ''), false);
  const broken = { ...other, project: 'broken' };
  mkdirSync(workshop.gitDir('broken'), { recursive: true });
  await assert.rejects(strange.release([broken, ...branches]), { code: 'ERR_GIT_FAILED' });
  assert.equal(results(workshop).includes(branches[1]?.ref ?? ''), false);
  await cache.free(NAME);
  await strange.release(branches);
});
