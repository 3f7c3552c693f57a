/** What makes a change "not merged", what does not, and what is left of either. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Merged, type MergeItem, Merger, type NotMerged } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { until } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };

function item(ref: string, more: Partial<MergeItem> = {}): MergeItem {
  return { ...NAME, branch: 'main', ref, ...more };
}

function assertMerged(answer: Merged | NotMerged): asserts answer is Merged {
  assert.equal(answer.ok, true, answer.ok ? '' : answer.error.message);
}

test('an abort is not a verdict on a change, whatever its reason', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const cache = workshop.cache();
  await cache.update(NAME);
  const stop = new AbortController();
  const reason = await cache.update({ ...NAME, project: 'none' }).catch((error: unknown) => error);
  assert.equal((reason as Error).name, 'ExecutorError');
  const file = join(workshop.folder, 'begun');
  const program = workshop.insteadOf('merge-tree', `touch ${file}; exec sleep 1000`);
  const merger = new Merger(workshop.cache({ git: { program } }));
  const ref = remote.change('a', { 'a.txt': 'a' });
  remote.commit({ 'main.txt': 'm' });
  const merging = merger.mergeChanges([item(ref)], null, null, stop.signal);
  const rejected = assert.rejects(merging, error => error === reason);
  await until('the merge', () => existsSync(file));
  stop.abort(reason);
  await rejected;
});

for (const mode of ['cherry-pick', 'rebase'] as const) {
  test(`a conflict by ${mode} is not taken for damage, whatever the change is called`, async () => {
    using workshop = new Workshop();
    const lines: string[] = [];
    const log = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} };
    const remote = workshop.remote(NAME.project);
    git(remote.folder, 'checkout', '--quiet', '--detach');
    remote.commit({ 'README.md': 'theirs\n' }, 'fatal: bad object, broken link');
    git(remote.folder, 'update-ref', 'refs/changes/a', 'HEAD');
    git(remote.folder, 'checkout', '--quiet', 'main');
    remote.commit({ 'README.md': 'ours\n' });
    const answer = await new Merger(workshop.cache({ log })).mergeChanges([item('refs/changes/a', { mode })]);
    assert(!answer.ok);
    assert.deepEqual([answer.error.code, answer.error.paths], ['ERR_MERGE_CONFLICT', ['README.md']]);
    assert.match(answer.error.message, /broken link[^]*CONFLICT/);
    assert.deepEqual(lines, []);
    assert.equal(git(workshop.gitDir(NAME.project), 'for-each-ref', 'refs/drone'), '');
  });
}

test('a branch that is not in the saved state is taken as it is now, and added to the state', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const merger = new Merger(workshop.cache());
  const first = await merger.mergeChanges([item(remote.change('a', { 'a.txt': 'a' }))]);
  assertMerged(first);
  const saved = first.repoState['git']?.['web']?.['refs/heads/main'];
  git(remote.folder, 'branch', 'stable');
  const now = remote.commit({ 'later.txt': 'later' });
  git(remote.folder, 'branch', '--force', 'stable', now);
  const items = [item('refs/changes/a'), item('refs/changes/a', { branch: 'stable' })];
  const second = await merger.mergeChanges(items, ['later.txt'], first.repoState);
  assertMerged(second);
  assert.deepEqual(second.files, [{ 'later.txt': null }, { 'later.txt': 'later' }]);
  const state = second.repoState['git']?.['web'];
  assert.deepEqual([state?.['refs/heads/main'], state?.['refs/heads/stable']], [saved, now]);
});

test('a merge whose result cannot be told leaves no ref, also when it is made a second time', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const other = workshop.remote('api');
  const items = [
    item(remote.change('a', { 'a.txt': 'a' })),
    item(other.change('o', { 'o.txt': 'o' }), { project: 'api' }),
  ];
  const servedAt = (_: string, project: string): string => {
    if (project === 'api') throw new Error('no server has it');
    return 'git://here/web';
  };
  await assert.rejects(new Merger(workshop.cache({ servedAt })).mergeChanges(items), /no server has it/);
  for (const { project } of items) assert.equal(git(workshop.gitDir(project), 'for-each-ref', 'refs/drone/merges'), '');

  const once = join(workshop.folder, 'once');
  const damage = `case "$*" in *api.git*refs/drone/merges*) if mkdir ${once} 2>/dev/null; then echo 'fatal: bad object' >&2; exit 128; fi;; esac`;
  const mended = workshop.cache({ git: { program: workshop.insteadOf('update-ref', damage) } });
  const answer = await new Merger(mended).mergeChanges(items);
  assertMerged(answer);
  assert.equal(existsSync(once), true);
  for (const { project, ref } of answer.branches) {
    const refs = git(workshop.gitDir(project), 'for-each-ref', '--format=%(refname)', 'refs/drone/merges');
    assert.equal(refs, ref);
  }
});

test('a failed merge is reported as such, even when its remains cannot be removed', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const other = workshop.remote('api');
  const items = [
    item(remote.change('a', { 'a.txt': 'a' })),
    item(other.change('o', { 'o.txt': 'o' }), { project: 'api' }),
  ];
  const full = `*api.git*refs/drone/merges* | *' -d refs/drone/merges'*) echo 'fatal: No space left on device' >&2; exit 128`;
  const git = { program: workshop.insteadOf('update-ref', `case "$*" in ${full};; esac`) };
  const answer = await new Merger(workshop.cache({ git })).mergeChanges(items);
  assert(!answer.ok);
  assert.deepEqual([answer.error.item, answer.error.isTransient, answer.error.code], [1, true, 'ERR_GIT_FAILED']);
  assert.match(answer.error.message, /fatal: No space left on device$/);
});
