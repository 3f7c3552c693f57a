/** Jobs about repositories say what has become of them, also when the executor stops. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { JobAnswer } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { benchIn, codeOf, until, valueOf } from './executors.js';
import { Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web' };

test('a merge that a close interrupts has failed, and its change is not called "not merged"', async () => {
  const workshop = new Workshop();
  const begun = join(workshop.folder, 'begun');
  const program = workshop.insteadOf('merge-base', `touch ${begun}; exec sleep 1000`);
  await using all = benchIn(workshop, {}, { git: { program } });
  const ref = workshop.remote('web').change('a', { 'a.txt': 'a' });
  const merge = all.jobs.submit('merger:merge', { items: [{ ...WEB, branch: 'main', ref }] });
  await until('the merge', () => existsSync(begun));
  await all.executor.close();
  assert.equal(codeOf(await merge), 'ERR_EXECUTOR_STOPPED');
});

test('close does not wait for a release that waits for an update that hangs', async () => {
  const workshop = new Workshop();
  const begun = join(workshop.folder, 'begun');
  const program = workshop.insteadOf('fetch', `touch ${begun}; exec sleep 1000`);
  const cache = workshop.cache({ git: { program } });
  await using all = benchIn(workshop, { cache });
  workshop.remote('web');
  const update = assert.rejects(all.executor.update(WEB), { code: 'ERR_EXECUTOR_STOPPED' });
  await until('the update', () => existsSync(begun));
  const branches = [{ ...WEB, branch: 'main', commit: '1'.repeat(40), ref: 'refs/drone/merges/1', url: '/x' }];
  const release = all.jobs.submit('executor:release:here', { branches });
  await until('the release', () => all.executor.running.length > 0);
  await Promise.all([all.executor.close(), update]);
  assert.equal(codeOf(await release), 'ERR_EXECUTOR_STOPPED');
});

test('what could not be done for the network may be tried again, and what could not for its conflicts may not', async () => {
  const workshop = new Workshop();
  const isDown = join(workshop.folder, 'is-down');
  const down = `if [ -e ${isDown} ]; then echo 'fatal: unable to access: Could not resolve host: x' >&2; exit 128; fi`;
  await using all = benchIn(workshop, {}, { git: { program: workshop.insteadOf('fetch', down), attempts: 1 } });
  const { jobs } = all;
  const web = workshop.remote('web');
  const ref = web.change('a', { 'README.md': 'theirs\n' });
  web.commit({ 'README.md': 'ours\n' });
  const facts = (answer: JobAnswer): unknown => !answer.ok && [answer.error.code, answer.error.isTransient];
  const merge = { items: [{ ...WEB, branch: 'main', ref }] };
  assert.deepEqual(facts(await jobs.submit('merger:merge', merge)), ['ERR_MERGE_CONFLICT', false]);
  writeFileSync(isDown, '');
  assert.deepEqual(facts(await jobs.submit('merger:merge', merge)), ['ERR_GIT_FAILED', true]);
  const cat = await jobs.submit('merger:cat', { ...WEB, branch: 'main', files: [] });
  assert.deepEqual(facts(cat), ['ERR_GIT_FAILED', true]);
});

test('jobs that read files are done side by side, as their own updates keep none of them waiting', async () => {
  const workshop = new Workshop();
  const here = (project: string): string => join(workshop.folder, `begun-${project}`);
  const meet = `case "$*" in *remotes/a*) touch ${here('a')}; until [ -e ${here('b')} ]; do sleep 0.02; done;; *remotes/b*) touch ${here('b')};; esac`;
  const program = workshop.insteadOf('fetch', meet);
  await using all = benchIn(workshop, { updateWorkers: 2, mergeWorkers: 2 }, { git: { program } });
  for (const project of ['a', 'b']) workshop.remote(project);
  const cats = ['a', 'b'].map(async project =>
    all.jobs.submit('merger:cat', { connection: 'git', project, branch: 'main', files: ['README.md'] }),
  );
  for (const answer of await Promise.all(cats)) valueOf(answer);
});

test('a job that reads files is not taken while an update for others runs, and is when that has ended', async () => {
  const workshop = new Workshop();
  const [begun, goOn] = ['begun', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
  const hold = `case "$*" in *remotes/api*) touch ${begun}; until [ -e ${goOn} ]; do sleep 0.02; done;; esac`;
  await using all = benchIn(workshop, {}, { git: { program: workshop.insteadOf('fetch', hold) } });
  for (const project of ['api', 'web']) workshop.remote(project);
  const update = all.executor.update({ connection: 'git', project: 'api' });
  await until('the update', () => existsSync(begun));
  const cat = all.jobs.submit('merger:cat', { ...WEB, branch: 'main', files: [] });
  await all.executor.update(WEB);
  assert.equal(all.jobs.size, 1);
  writeFileSync(goOn, '');
  await update;
  valueOf(await cat);
});
