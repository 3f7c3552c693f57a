/** A remote that is a shallow clone, such as a checkout of a CI service, is followed as it is; what it lacks is named. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { type JobAnswer, Merger, type MergeMode } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { benchIn, codeOf, valueOf } from './executors.js';
import { git, type Remote, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };

/** A repository, and a shallow clone of it, which the cache has as the remote. */
function shallowClone(workshop: Workshop, depth: number): { server: Remote; shallow: string; urlOf: () => string } {
  const server = workshop.remote('server');
  for (const text of ['2', '3', '4']) server.commit({ 'a.txt': text });
  const shallow = join(workshop.folder, 'shallow');
  git(
    workshop.folder,
    'clone',
    '--quiet',
    `--depth=${String(depth)}`,
    '--no-single-branch',
    `file://${server.folder}`,
    shallow,
  );
  git(shallow, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
  return { server, shallow, urlOf: () => shallow };
}

test('a job works on a shallow clone, and sees it move, also to later history', async () => {
  const workshop = new Workshop();
  const { server, shallow, urlOf } = shallowClone(workshop, 1);
  await using all = benchIn(workshop, {}, { urlOf });
  const look = async (): Promise<string | undefined> => {
    const job = { projects: [WEB], commands: ['cat git/web/a.txt; git -C git/web rev-list --count HEAD'] };
    return valueOf(await all.jobs.submit('executor:execute', job)).commands[0]?.result.stdout;
  };
  assert.equal(await look(), '41\n');
  for (const text of ['5', '6']) server.commit({ 'a.txt': text });
  git(shallow, 'fetch', '--quiet', '--depth=1', 'origin');
  git(shallow, 'reset', '--quiet', '--hard', 'origin/main');
  assert.equal((await look())?.startsWith('6'), true);
  git(shallow, 'fetch', '--quiet', '--unshallow', 'origin');
  assert.equal(await look(), '66\n');
});

test('a merge whose common history is cut off says so in every mode, and is done when the history is there', async () => {
  using workshop = new Workshop();
  const { server, shallow, urlOf } = shallowClone(workshop, 1);
  // Both begin at the same commit, which the shallow clone does not have.
  const ref = server.change('b', { 'b.txt': 'b' }, 'main~2');
  git(shallow, 'fetch', '--quiet', '--depth=1', 'origin', `${ref}:${ref}`);
  const merger = new Merger(workshop.cache({ urlOf }));
  const merge = async (mode: MergeMode): Promise<JobAnswer> =>
    (await merger.mergeChanges([{ ...WEB, ref, mode }], ['a.txt', 'b.txt'])) as JobAnswer;
  for (const mode of ['merge', 'squash-merge', 'cherry-pick', 'rebase'] as const) {
    const answer = await merge(mode);
    assert(!answer.ok);
    assert.deepEqual([answer.error.code, answer.error.isTransient], ['ERR_SHALLOW', false], mode);
    assert.match(answer.error.message, /git:web.* shallow clone; .*git fetch --unshallow/);
  }
  git(shallow, 'fetch', '--quiet', '--unshallow', 'origin');
  for (const mode of ['merge', 'squash-merge', 'cherry-pick', 'rebase'] as const) {
    assert.equal(codeOf(await merge(mode)), undefined, mode);
  }
});

test('a change within the history of a shallow clone merges', async () => {
  using workshop = new Workshop();
  const { shallow, urlOf } = shallowClone(workshop, 3);
  git(shallow, 'branch', 'topic', 'HEAD~1');
  git(shallow, 'checkout', '--quiet', 'topic');
  git(shallow, 'commit', '--quiet', '--allow-empty', '-m', 'empty');
  git(shallow, 'checkout', '--quiet', 'main');
  const merger = new Merger(workshop.cache({ urlOf }));
  for (const mode of ['merge', 'squash-merge', 'cherry-pick', 'rebase'] as const) {
    const answer = await merger.mergeChanges([{ ...WEB, ref: 'refs/heads/topic', mode }]);
    assert.equal(answer.ok, true, mode);
  }
});
