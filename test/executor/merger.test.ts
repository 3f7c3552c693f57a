/** What is merged with what, and that a failure leaves nothing behind. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import {
  type Merged,
  type MergeItem,
  type MergeMode,
  Merger,
  type NotMerged,
  type RepoCache,
} from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { git, type Remote, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };

interface Bench {
  readonly workshop: Workshop;
  readonly remote: Remote;
  readonly cache: RepoCache;
  readonly merger: Merger;
}

/** Before 2.38 git merges in a work tree only. */
const OLD = `echo 'git version 2.37.9'; exit 0`;
const WAYS = { 'without a work tree': undefined, 'in a work tree': OLD } as const;

function bench(workshop: Workshop, version?: string): Bench {
  const program = version === undefined ? 'git' : workshop.insteadOf('version', version);
  const cache = workshop.cache({ git: { program } });
  return { workshop, remote: workshop.remote(NAME.project), cache, merger: new Merger(cache) };
}

function item(ref: string, more: Partial<MergeItem> = {}): MergeItem {
  return { ...NAME, branch: 'main', ref, ...more };
}

function assertMerged(answer: Merged | NotMerged): asserts answer is Merged {
  assert.equal(answer.ok, true, answer.ok ? '' : answer.error.message);
}

/** No lock file, nothing unfinished, nothing changed in the work tree. */
function assertClean(workshop: Workshop, project = NAME.project): void {
  const gitDir = workshop.gitDir(project);
  const tree = gitDir.replace(/git$/, 'tree');
  const status = existsSync(tree) ? git(tree, `--git-dir=${gitDir}`, '--work-tree=.', 'status', '--porcelain') : '';
  const left = readdirSync(gitDir).filter(name =>
    /\.lock$|^(MERGE|CHERRY|REBASE|SQUASH)|^rebase|^sequencer/.test(name),
  );
  assert.deepEqual([status, left], ['', []]);
}

const SUBJECTS: Readonly<Record<MergeMode, readonly string[]>> = {
  merge: ['Merge refs/changes/two into main', 'main goes on', 'two', 'one', 'change'],
  'squash-merge': ['one', 'main goes on', 'change'],
  'cherry-pick': ['two', 'main goes on', 'change'],
  rebase: ['two', 'one', 'main goes on', 'change'],
};

const CASES = Object.entries(WAYS).flatMap(([how, version]) =>
  Object.entries(SUBJECTS).map(([mode, subjects]) => ({ how, version, mode, subjects })),
);

for (const { how, version, mode, subjects } of CASES) {
  test(`a change of two commits is put on its branch by ${mode} ${how}`, async () => {
    using workshop = new Workshop();
    const { remote, merger } = bench(workshop, version);
    remote.change('one', { 'one.txt': '1' });
    const ref = remote.change('two', { 'two.txt': '2' }, 'refs/changes/one');
    const base = remote.commit({ 'main.txt': 'm' }, 'main goes on');
    const answer = await merger.mergeChanges([item(ref, { mode: mode as MergeMode })], ['one.txt', 'two.txt', 'none']);
    assertMerged(answer);
    const log = git(workshop.gitDir(NAME.project), 'log', '--topo-order', '--format=%s', answer.commit);
    assert.deepEqual(log.split('\n').sort(), [...subjects].sort());
    assert.deepEqual(answer.files, [{ 'one.txt': mode === 'cherry-pick' ? null : '1', 'two.txt': '2', none: null }]);
    assert.equal(answer.repoState['git']?.['web']?.['refs/heads/main'], base);
    assert.equal(git(workshop.gitDir(NAME.project), 'rev-parse', 'main'), base, 'the branch itself stays');
    assertClean(workshop);
  });
}

for (const [how, version] of Object.entries(WAYS)) {
  test(`a squash commit has the author of the first commit and the messages of all ${how}`, async () => {
    using workshop = new Workshop();
    const { remote, merger } = bench(workshop, version);
    const person = ['-c', 'user.name=Ann <b>, Jr', '-c', 'user.email=ann@example.org'];
    git(remote.folder, 'checkout', '--quiet', '--detach', 'main');
    const message = 'First: ü\n\nwith a body\n# and a number sign';
    git(remote.folder, ...person, 'commit', '--quiet', '--allow-empty', '--date=1700000000 +0200', '-m', message);
    git(remote.folder, 'commit', '--quiet', '--allow-empty', '-m', 'second');
    git(remote.folder, 'update-ref', 'refs/changes/both', 'HEAD');
    git(remote.folder, 'checkout', '--quiet', 'main');
    remote.commit({ 'main.txt': 'm' }, 'main goes on');
    const answer = await merger.mergeChanges([item('refs/changes/both', { mode: 'squash-merge' })]);
    assertMerged(answer);
    const shown = git(
      workshop.gitDir(NAME.project),
      'show',
      '-s',
      '--format=%an|%ae|%ad|%cn|%B',
      '--date=raw',
      answer.commit,
    );
    assert.equal(shown, `Ann b, Jr|ann@example.org|1700000000 +0200|drone-task-queue|${message}\n\nsecond`);
    assert.match(git(workshop.gitDir(NAME.project), 'fsck', '--strict'), /^$/);
  });

  test(`an item says what author and message its squash commit has ${how}`, async () => {
    using workshop = new Workshop();
    const { remote, merger } = bench(workshop, version);
    const ref = remote.change('one', { 'one.txt': '1' });
    const author = { name: 'Ann Ö', email: 'ann@example.org' };
    const squash = item(ref, { mode: 'squash-merge', author, message: 'Add one\n\nCloses #1' });
    const answer = await merger.mergeChanges([squash], ['one.txt']);
    assertMerged(answer);
    const shown = git(workshop.gitDir(NAME.project), 'show', '-s', '--format=%an|%ae|%B', answer.commit);
    assert.deepEqual([shown, answer.files], ['Ann Ö|ann@example.org|Add one\n\nCloses #1', [{ 'one.txt': '1' }]]);
    assertClean(workshop);
  });

  test(`a change that its branch has already is squashed to an empty commit ${how}`, async () => {
    using workshop = new Workshop();
    const { merger } = bench(workshop, version);
    const answer = await merger.mergeChanges([item('refs/heads/main', { mode: 'squash-merge' })]);
    assertMerged(answer);
    const shown = git(workshop.gitDir(NAME.project), 'show', '-s', '--format=%an|%B', answer.commit);
    assert.equal(shown, 'drone-task-queue|Merge refs/heads/main into main');
  });
}

test('of very many commits the messages of a hundred are kept', async () => {
  using workshop = new Workshop();
  const { remote, merger } = bench(workshop);
  git(remote.folder, 'checkout', '--quiet', '--detach', 'main');
  for (let at = 0; at < 102; at++)
    git(remote.folder, 'commit', '--quiet', '--allow-empty', '-m', `commit ${String(at)}`);
  git(remote.folder, 'update-ref', 'refs/changes/many', 'HEAD');
  git(remote.folder, 'checkout', '--quiet', 'main');
  const answer = await merger.mergeChanges([item('refs/changes/many', { mode: 'squash-merge' })]);
  assertMerged(answer);
  const lines = git(workshop.gitDir(NAME.project), 'show', '-s', '--format=%B', answer.commit).split('\n\n');
  assert.deepEqual(
    [lines.length, lines[0], lines[99], lines[100]],
    [101, 'commit 0', 'commit 99', 'and 2 more commits'],
  );
});

test('an item that cannot be is refused by its place in the list', async () => {
  using workshop = new Workshop();
  const { merger } = bench(workshop);
  const good = item('refs/heads/topic');
  const bad: readonly (readonly [item: object, message: RegExp])[] = [
    [{ ref: 'topic' }, /^items\[1\]\.ref is 'topic'/],
    [{ branch: 'HEAD' }, /^items\[1\]\.branch is 'HEAD'/],
    [{ project: '..' }, /^items\[1\]\.project is '\.\.'/],
    [{ mode: 'squash' }, /^items\[1\]\.mode is 'squash'/],
    [{ message: 'x' }, /^items\[1\]\.message is 'x', expected none, because only mode 'squash-merge'/],
    [{ mode: 'squash-merge', message: ' ' }, /^items\[1\]\.message is ' '/],
    [{ mode: 'squash-merge', author: { name: 'a\nb', email: 'x' } }, /^items\[1\]\.author\.name is/],
    [{ mode: 'squash-merge', author: { name: ' . ', email: 'x' } }, /^items\[1\]\.author\.name is/],
    [{ mode: 'squash-merge', author: { name: 'a', email: 'a b' } }, /^items\[1\]\.author\.email is/],
    [{ mode: 'squash-merge', author: { name: 'a' } }, /^items\[1\]\.author\.email is undefined/],
  ];
  for (const [more, message] of bad) {
    const refused = merger.mergeChanges([good, { ...good, ...more }]);
    await assert.rejects(refused, { code: 'ERR_INVALID_ARG', message });
  }
});

test('a merge commit is merged where commits are picked, and a change that is there already changes nothing', async () => {
  using workshop = new Workshop();
  const { remote, merger } = bench(workshop);
  remote.change('side', { 'side.txt': 's' });
  remote.change('one', { 'one.txt': '1' });
  git(remote.folder, 'checkout', '--quiet', '--detach', 'refs/changes/one');
  git(remote.folder, 'merge', '--quiet', '--no-edit', 'refs/changes/side');
  git(remote.folder, 'update-ref', 'refs/changes/both', 'HEAD');
  git(remote.folder, 'checkout', '--quiet', 'main');
  remote.commit({ 'main.txt': 'm' });
  const items = ['refs/changes/both', 'refs/heads/main'].map(ref => item(ref, { mode: 'cherry-pick' }));
  const answer = await merger.mergeChanges(items, ['side.txt', 'one.txt', 'main.txt']);
  assertMerged(answer);
  assert.deepEqual(answer.files?.at(-1), { 'side.txt': 's', 'one.txt': '1', 'main.txt': 'm' });
  assert.equal(answer.commits[1], answer.commits[0]);
});

test('each item goes on top of the last one for its branch, and other branches know nothing of it', async () => {
  using workshop = new Workshop();
  const { remote, merger } = bench(workshop);
  const other = workshop.remote('api');
  git(remote.folder, 'branch', 'stable');
  const items = [
    item(remote.change('a', { 'a.txt': 'a' })),
    item(other.change('o', { 'o.txt': 'o' }), { project: 'api' }),
    item(remote.change('s', { 's.txt': 's' }), { branch: 'stable' }),
    item(remote.change('b', { 'b.txt': 'b' })),
  ];
  const answer = await merger.mergeChanges(items, ['a.txt', 'b.txt', 'o.txt', 's.txt']);
  assertMerged(answer);
  const seen = answer.files?.map(texts =>
    Object.values(texts)
      .map(text => text ?? '-')
      .join(''),
  );
  assert.deepEqual(seen, ['a---', '--o-', '---s', 'ab--']);
  assert.deepEqual(answer.commit, answer.commits[3]);
  // As it was before the first one, also after the second.
  assert.equal(answer.repoState['git']?.['web']?.['refs/heads/main'], remote.commitOf('main'));
  assert.deepEqual(
    answer.branches.map(({ project, branch, commit }) => [project, branch, answer.commits.indexOf(commit)]),
    [
      ['web', 'main', 3],
      ['api', 'main', 1],
      ['web', 'stable', 2],
    ],
  );
});

test('a result can be fetched from another clone until it is released', async () => {
  using workshop = new Workshop();
  const { remote, cache, merger } = bench(workshop);
  const answer = await merger.mergeChanges([item(remote.change('a', { 'a.txt': 'a' }))]);
  assertMerged(answer);
  const [branch] = answer.branches;
  assert(branch);
  const clone = join(workshop.folder, 'clone');
  git(workshop.folder, 'clone', '--quiet', remote.folder, clone);
  // Further updates and merges leave it alone.
  await cache.update(NAME);
  assertMerged(await merger.mergeChanges([item(remote.change('b', { 'b.txt': 'b' }))]));
  git(clone, 'fetch', '--quiet', branch.url, branch.ref);
  assert.equal(git(clone, 'rev-parse', 'FETCH_HEAD'), answer.commit);
  await merger.release(answer.branches);
  assert.throws(() => git(clone, 'fetch', branch.url, branch.ref), /couldn't find remote ref/);
  await merger.release(answer.branches);
});

test('saved state gives the same bases later, also those that were forced away', async () => {
  using workshop = new Workshop();
  const { remote, merger } = bench(workshop);
  const ref = remote.change('a', { 'a.txt': 'a' });
  const base = remote.commit({ 'old.txt': 'old' });
  const first = await merger.mergeChanges([item(ref)]);
  assertMerged(first);
  git(remote.folder, 'reset', '--quiet', '--hard', 'HEAD~1');
  remote.commit({ 'new.txt': 'new' });
  // By another process, with a cache of its own and after a way as JSON.
  const cache = workshop.cache({ folder: join(workshop.folder, 'other-cache') });
  const state = JSON.parse(JSON.stringify(first.repoState)) as typeof first.repoState;
  const second = await new Merger(cache).mergeChanges([item(ref)], ['old.txt', 'new.txt'], state);
  assertMerged(second);
  assert.deepEqual(second.files, [{ 'old.txt': 'old', 'new.txt': null }]);
  assert.deepEqual(second.repoState, first.repoState);
  assert.equal(second.repoState['git']?.['web']?.['refs/heads/main'], base);
  const now = await new Merger(cache).getFiles(NAME, 'main', ['old.txt', 'new.txt']);
  assert.deepEqual(now, { 'old.txt': null, 'new.txt': 'new' }, 'its branches are those of the remote yet');
  const fresh = await merger.mergeChanges([item(ref)], ['old.txt', 'new.txt']);
  assertMerged(fresh);
  assert.deepEqual(fresh.files, [{ 'old.txt': null, 'new.txt': 'new' }]);
});

for (const { how, version, mode } of CASES) {
  test(`a conflict by ${mode} ${how} makes the whole answer "not merged", and leaves nothing`, async () => {
    using workshop = new Workshop();
    const { remote, merger } = bench(workshop, version);
    const good = remote.change('good', { 'good.txt': 'g' });
    const bad = remote.change('bad', { 'README.md': 'theirs\n' });
    remote.commit({ 'README.md': 'ours\n' });
    const items = [item(good), item(bad, { mode: mode as MergeMode }), item(good)];
    const answer = await merger.mergeChanges(items, ['good.txt']);
    assert(!answer.ok);
    const { code, paths, item: at, isTransient } = answer.error;
    assert.deepEqual([code, paths, at, isTransient], ['ERR_MERGE_CONFLICT', ['README.md'], 1, false]);
    assert.match(answer.error.message, /CONFLICT.*README\.md/);
    assertClean(workshop);
    assert.equal(git(workshop.gitDir(NAME.project), 'for-each-ref', 'refs/drone/merges'), '');
    assertMerged(await merger.mergeChanges([item(good)]));
  });
}

const REFUSALS: readonly (readonly [what: string, item: Partial<MergeItem>, code: string, reason: RegExp])[] = [
  ['a branch that is not there', { branch: 'none' }, 'ERR_NO_REF', /git:web has no branch none/],
  ['a change that is not there', { ref: 'refs/changes/none' }, 'ERR_NO_REF', /find remote ref refs\/changes\/none/],
  ['a commit that is not there', { ref: '1'.repeat(40) }, 'ERR_NO_REF', /not our ref 1{40}/],
  ['a repository without a URL', { project: 'none' }, 'ERR_NO_REPOSITORY', /git:none has no URL/],
];

for (const [what, wrong, code, reason] of REFUSALS) {
  test(`${what} makes the answer "not merged"`, async () => {
    using workshop = new Workshop();
    const { remote, merger } = bench(workshop);
    const ref = remote.change('a', { 'a.txt': 'a' });
    const answer = await merger.mergeChanges([item(ref), item(ref, wrong), item(ref)]);
    assert(!answer.ok);
    assert.deepEqual([answer.error.item, answer.error.code, answer.error.isTransient], [1, code, false]);
    assert.match(answer.error.message, reason);
  });
}

test('an index that is locked or damaged does not stop a merge in a work tree', async () => {
  using workshop = new Workshop();
  const { remote, merger } = bench(workshop, OLD);
  assertMerged(await merger.mergeChanges([item(remote.change('a', { 'a.txt': 'a' }))]));
  const index = join(workshop.gitDir(NAME.project), 'index');
  writeFileSync(`${index}.lock`, '');
  assertMerged(await merger.mergeChanges([item(remote.change('b', { 'b.txt': 'b' }))]));
  truncateSync(index, 20);
  assertMerged(await merger.mergeChanges([item(remote.change('c', { 'c.txt': 'c' }))]));
  assertClean(workshop);
});

test('a repository that is damaged in mid-merge is made anew, and the merge begins again', async () => {
  using workshop = new Workshop();
  const { remote, merger } = bench(workshop);
  const first = await merger.mergeChanges([item(remote.change('a', { 'a.txt': 'a' }))]);
  assertMerged(first);
  const gitDir = workshop.gitDir(NAME.project);
  const objects = readdirSync(join(gitDir, 'objects'), { recursive: true, encoding: 'utf8' });
  for (const path of objects.filter(name => /\.pack$|^..\/.{38}$/.test(name)))
    truncateSync(join(gitDir, 'objects', path), 3);
  const items = ['b', 'c'].map(name => item(remote.change(name, { [`${name}.txt`]: name })));
  const second = await merger.mergeChanges(items, ['b.txt', 'c.txt']);
  assertMerged(second);
  assert.deepEqual(second.files?.at(-1), { 'b.txt': 'b', 'c.txt': 'c' });
});

test('git that is killed in mid-merge is "not merged", and the next merge finds a clean place', async () => {
  using workshop = new Workshop();
  const { remote, merger } = bench(workshop);
  const ref = remote.change('a', { 'a.txt': 'a' });
  assertMerged(await merger.mergeChanges([item(ref)]));
  remote.commit({ 'main.txt': 'm' });
  const once = join(workshop.folder, 'once');
  const program = workshop.insteadOf(
    'merge-tree',
    `if mkdir ${once} 2>/dev/null; then touch ${workshop.gitDir('web')}/index.lock; kill -KILL $$; fi`,
  );
  const killed = new Merger(workshop.cache({ git: { program } }));
  const answer = await killed.mergeChanges([item(ref)]);
  assert(!answer.ok);
  assert.match(answer.error.message, /git merge-tree was killed/);
  assertClean(workshop);
  assertMerged(await killed.mergeChanges([item(ref)]));
});

test('git that hangs in mid-merge is ended in time, and the answer is "not merged"', async () => {
  using workshop = new Workshop();
  const { remote, merger } = bench(workshop);
  const ref = remote.change('a', { 'a.txt': 'a' });
  assertMerged(await merger.mergeChanges([item(ref)]));
  remote.commit({ 'main.txt': 'm' });
  const program = workshop.insteadOf('merge-tree', 'exec sleep 1000');
  const answer = await new Merger(workshop.cache({ git: { program, timeoutMs: 5000 } })).mergeChanges([item(ref)]);
  assert(!answer.ok);
  assert.match(answer.error.message, /took longer than 5000 ms/);
  assertClean(workshop);
});

test('a merge that is aborted rejects with the reason and leaves nothing', async () => {
  using workshop = new Workshop();
  const { remote, cache } = bench(workshop);
  await cache.update(NAME);
  const stop = new AbortController();
  const file = join(workshop.folder, 'begun');
  const program = workshop.insteadOf('merge-tree', `touch ${file}; exec sleep 1000`);
  const slow = workshop.cache({ git: { program } });
  const ref = remote.change('a', { 'a.txt': 'a' });
  remote.commit({ 'main.txt': 'm' });
  const merging = new Merger(slow).mergeChanges([item(ref)], null, null, stop.signal);
  const watch = async (): Promise<void> => {
    while (!existsSync(file)) await new Promise(resolve => setTimeout(resolve, 10));
    stop.abort(new Error('no more'));
  };
  await Promise.all([watch(), assert.rejects(merging, /no more/)]);
  assertClean(workshop);
  assert.equal(slow.locks, 0);
});

test('a full disk is "not merged", in the words of git', async () => {
  using workshop = new Workshop();
  const { remote, cache } = bench(workshop);
  await cache.update(NAME);
  const program = workshop.insteadOf(
    'merge-tree',
    "echo 'error: file write error: No space left on device' >&2; exit 128",
  );
  const ref = remote.change('a', {});
  remote.commit({ 'main.txt': 'm' });
  const answer = await new Merger(workshop.cache({ git: { program } })).mergeChanges([item(ref)]);
  assert(!answer.ok);
  assert.match(answer.error.message, /: error: file write error: No space left on device$/);
  assertClean(workshop);
});

test('files are read of branches and commits, folders whole, and what is not there is null', async () => {
  using workshop = new Workshop();
  const { remote, cache, merger } = bench(workshop);
  const before = remote.commitOf('main');
  remote.commit({
    'ci/a.yaml': 'ä\n',
    'ci/deep/b.yaml': '',
    'cix/c.yaml': 'c',
    '*.txt': 'star',
    'x.txt': 'x',
    __proto__x: '',
  });
  await cache.update(NAME);
  const paths = ['ci/', 'cix', '*.txt', 'none.txt', 'none/', 'README.md'];
  assert.deepEqual(await merger.getFiles(NAME, 'main', paths), {
    'ci/a.yaml': 'ä\n',
    'ci/deep/b.yaml': '',
    cix: null,
    '*.txt': 'star',
    'none.txt': null,
    'README.md': 'first\n',
  });
  assert.deepEqual(await merger.getFiles(NAME, before, ['ci/', 'README.md']), { 'README.md': 'first\n' });
  assert.deepEqual(await merger.getFiles(NAME, 'main', []), {});
  await assert.rejects(merger.getFiles(NAME, 'none', ['a']), { code: 'ERR_NO_REF' });
});

test('items, files and states that cannot be are refused, and no repository is touched', async () => {
  using workshop = new Workshop();
  const { merger } = bench(workshop);
  const good = item('refs/heads/main');
  const bad: readonly (readonly unknown[])[] = [
    [[]],
    [undefined],
    [[{ ...good, ref: '--upload-pack=x' }]],
    [[{ ...good, branch: '../x' }]],
    [[{ ...good, project: '..' }]],
    [[{ ...good, mode: 'guess' }]],
    [[{ ...good, mode: 'constructor' }]],
    [[{ ...good, url: 'ext::x' }]],
    [[good], ['../x']],
    [[good], null, { git: { web: { 'refs/heads/main': '--x' } } }],
    [[good], null, { git: 1 }],
  ];
  for (const args of bad) {
    await assert.rejects(merger.mergeChanges(...(args as [MergeItem[]])), { code: 'ERR_INVALID_ARG' }, String(args[0]));
  }
  assert.equal(existsSync(workshop.cacheFolder), false);
});

test('merges of the same repositories in either order, and updates between them, all come to an end', async () => {
  using workshop = new Workshop();
  const { remote, cache, merger } = bench(workshop);
  const other = workshop.remote('api');
  const items = [
    item(remote.change('a', { 'a.txt': 'a' })),
    item(other.change('o', { 'o.txt': 'o' }), { project: 'api' }),
  ];
  const answers = await Promise.all([
    merger.mergeChanges(items),
    merger.mergeChanges([...items].reverse()),
    cache.update(NAME),
    merger.mergeChanges(items),
  ]);
  for (const answer of answers) if (answer !== undefined) assertMerged(answer);
  assert.equal(cache.locks, 0);
  assert.equal(readFileSync(join(remote.folder, 'README.md'), 'utf8'), 'first\n');
  rmSync(workshop.cacheFolder, { recursive: true });
});
