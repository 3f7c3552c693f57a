/** What a change or a repository lacks has a code of its own, in every mode and on every way of an answer. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type MergeItem, Merger, type MergeMode, RedisJobSource } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { startRedis } from '../support/redis.js';
import { benchIn, codeOf } from './executors.js';
import { type Files, git, type Remote, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };
const MODES: readonly MergeMode[] = ['merge', 'squash-merge', 'cherry-pick', 'rebase'];

/** What was there, what the change does to it, and what the branch has done meanwhile. */
const CONFLICTS: readonly (readonly [what: string, base: Files, theirs: Files, ours: Files, paths: string[]])[] = [
  [
    'lines of two files',
    { a: '1\n', 'd/b': '1\n' },
    { a: '2\n', 'd/b': '2\n' },
    { a: '3\n', 'd/b': '3\n' },
    ['a', 'd/b'],
  ],
  ['a deleted file', { a: '1\n' }, { a: null }, { a: '2\n' }, ['a']],
  ['a file that both have added', {}, { a: '1\n' }, { a: '2\n' }, ['a']],
  ['names that git quotes', { 'ä "x"\t': '1\n' }, { 'ä "x"\t': '2\n' }, { 'ä "x"\t': '3\n' }, ['ä "x"\t']],
];

function conflict(remote: Remote, base: Files, theirs: Files, ours: Files): string {
  if (Object.keys(base).length > 0) remote.commit(base);
  const ref = remote.change('bad', theirs);
  remote.commit(ours);
  return ref;
}

for (const mode of MODES) {
  test(`a conflict by ${mode} names its paths, whatever kind it is of`, async () => {
    for (const [what, base, theirs, ours, paths] of CONFLICTS) {
      using workshop = new Workshop();
      const ref = conflict(workshop.remote('web'), base, theirs, ours);
      const answer = await new Merger(workshop.cache()).mergeChanges([{ ...WEB, ref, mode }]);
      assert(!answer.ok, what);
      const { name, code, item, isTransient } = answer.error;
      assert.deepEqual([name, code, item, isTransient], ['ExecutorError', 'ERR_MERGE_CONFLICT', 0, false], what);
      assert.deepEqual(answer.error.paths, paths, what);
    }
  });
}

test('a change without a common history is not a conflict', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote('web');
  git(remote.folder, 'checkout', '--quiet', '--orphan', 'other');
  remote.commit({ 'README.md': 'other\n' });
  git(remote.folder, 'update-ref', 'refs/changes/other', 'HEAD');
  git(remote.folder, 'checkout', '--quiet', '--force', 'main');
  const answer = await new Merger(workshop.cache()).mergeChanges([{ ...WEB, ref: 'refs/changes/other' }]);
  assert(!answer.ok);
  assert.deepEqual([answer.error.code, answer.error.paths], ['ERR_GIT_FAILED', undefined]);
});

/** As servers and git say it, in front of what git adds. */
const WORDS: readonly (readonly [words: string, code: string])[] = [
  ["fatal: '/srv/x.git' does not appear to be a git repository", 'ERR_NO_REPOSITORY'],
  ["remote: Repository not found.\nfatal: repository 'https://github.com/a/b.git/' not found", 'ERR_NO_REPOSITORY'],
  ['ERROR: Repository not found.\nfatal: Could not read from remote repository.', 'ERR_NO_REPOSITORY'],
  ["ERROR: The project you were looking for could not be found or you don't have permission", 'ERR_NO_REPOSITORY'],
  ['fatal: remote error: access denied or repository not exported: /x', 'ERR_NO_REPOSITORY'],
  ["fatal: couldn't find remote ref refs/changes/1", 'ERR_NO_REF'],
  ['fatal: remote error: upload-pack: not our ref 1111', 'ERR_NO_REF'],
  ['error: Server does not allow request for unadvertised object 1111', 'ERR_NO_REF'],
  ["fatal: unable to access 'https://x/': Could not resolve host: x", 'ERR_GIT_FAILED'],
  ['git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.', 'ERR_GIT_FAILED'],
];

test('a fetch that fails is named by what the server lacks, and keeps its own code for all else', async () => {
  using workshop = new Workshop();
  const file = join(workshop.folder, 'words');
  const program = workshop.insteadOf('fetch', `cat ${file} >&2; exit 128`);
  workshop.remote('web');
  for (const [words, code] of WORDS) {
    writeFileSync(file, `${words}\n`);
    const cache = workshop.cache({ git: { program, attempts: 1 } });
    await assert.rejects(cache.update(WEB), (error: Error & { code?: string }) => {
      assert.deepEqual([error.code, error.message.includes(words.split('\n')[0] ?? '')], [code, true]);
      return true;
    });
  }
});

test('a repository that is gone or never was leaves the copy as it is, and works again when it is back', async () => {
  using workshop = new Workshop();
  const { folder } = workshop.remote('web');
  const cache = workshop.cache();
  const merger = new Merger(cache);
  await cache.update(WEB);
  renameSync(folder, `${folder}-away`);
  await assert.rejects(cache.update(WEB), { name: 'ExecutorError', code: 'ERR_NO_REPOSITORY' });
  mkdirSync(folder);
  await assert.rejects(cache.update(WEB), { name: 'ExecutorError', code: 'ERR_NO_REPOSITORY' });
  assert.deepEqual(await merger.getFiles(WEB, 'main', ['README.md']), { 'README.md': 'first\n' });
  for (const ref of ['none', '1'.repeat(40)]) {
    await assert.rejects(merger.getFiles(WEB, ref, []), { name: 'ExecutorError', code: 'ERR_NO_REF' });
  }
  renameSync(folder, `${folder}-empty`);
  renameSync(`${folder}-away`, folder);
  await cache.update(WEB);
});

for (const where of ['in memory', 'over Redis']) {
  test(`answers ${where} have the codes, the paths and the report`, async () => {
    const workshop = new Workshop();
    await using redis = where === 'in memory' ? undefined : await startRedis();
    const shared = redis === undefined ? undefined : await RedisJobSource.open({ url: redis.url });
    try {
      await using all = benchIn(workshop, shared === undefined ? {} : { jobs: shared });
      const jobs = shared ?? all.jobs;
      const ref = conflict(workshop.remote('web'), { a: '1\n' }, { a: '2\n' }, { a: '3\n' });
      const merge = async (item: Partial<MergeItem>): ReturnType<typeof jobs.submit<'merger:merge'>> =>
        jobs.submit('merger:merge', { items: [{ ...WEB, ref, ...item }] });
      const conflicting = await merge({});
      assert(!conflicting.ok);
      const { code, paths, item } = conflicting.error;
      assert.deepEqual([code, paths, item], ['ERR_MERGE_CONFLICT', ['a'], 0]);
      assert.equal(codeOf(await merge({ ref: 'refs/changes/none' })), 'ERR_NO_REF');
      assert.equal(codeOf(await merge({ branch: 'none' })), 'ERR_NO_REF');
      assert.equal(codeOf(await merge({ project: 'none' })), 'ERR_NO_REPOSITORY');
      assert.equal(codeOf(await jobs.submit('merger:cat', { ...WEB, branch: 'none', files: [] })), 'ERR_NO_REF');
      const run = async (project: object): ReturnType<typeof jobs.submit<'executor:execute'>> =>
        jobs.submit('executor:execute', { projects: [{ ...WEB, ...project }], commands: ['true', 'exit 3'] });
      assert.equal(codeOf(await run({ commit: '1'.repeat(40) })), 'ERR_NO_REF');
      assert.equal(codeOf(await run({ commit: '1'.repeat(40), ref: 'refs/changes/none' })), 'ERR_NO_REF');
      const failing = await run({});
      assert(!failing.ok);
      const exits = failing.error.report?.commands.map(({ result }) => result.exitCode);
      assert.deepEqual([failing.error.code, failing.error.isTransient, exits], ['ERR_COMMAND_FAILED', false, [0, 3]]);
      assert.match(failing.error.message, /^the command "exit 3" exited with status 3 on localhost$/);
    } finally {
      await shared?.close();
    }
  });
}
