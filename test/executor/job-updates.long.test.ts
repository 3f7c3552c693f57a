/** Which repositories are brought up to date for a job, how many at once, and what becomes of the job when one is not. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { JobAnswer, RepoCacheOptions, RepoState } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { type Bench, benchIn, codeOf, until, valueOf } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };

/** A git that writes a line for each fetch of a cached repository. */
function counting(workshop: Workshop): { readonly program: string; fetches(): number } {
  const log = join(workshop.folder, 'fetches');
  writeFileSync(log, '');
  const program = workshop.insteadOf('--update-shallow', `echo fetch >>${log}; break`);
  return { program, fetches: () => readFileSync(log, 'utf8').split('\n').length - 1 };
}

test('a job whose state is here already is not kept waiting for an update, unless a branch of it is missing', async () => {
  const workshop = new Workshop();
  const { program, fetches } = counting(workshop);
  await using all = benchIn(workshop, {}, { git: { program } });
  const web = workshop.remote('web');
  const ref = web.change('a', { 'a.txt': 'a' });
  const items = [{ ...WEB, ref }];
  const merge = valueOf(await all.jobs.submit('merger:merge', { items }));
  const run = async (repoState: RepoState | undefined): Promise<number> => {
    const before = fetches();
    const job = { projects: [WEB], commands: ['cat git/web/README.md'], repoState };
    valueOf(await all.jobs.submit('executor:execute', job));
    return fetches() - before;
  };
  assert.equal(await run(merge.repoState), 0);
  assert.equal(await run(undefined), 1);
  const main = web.commitOf('main');
  // Its commit is here, but the branch is not: that alone was once taken for enough.
  git(web.folder, 'branch', 'stable', main);
  const withBranch = { git: { web: { 'refs/heads/main': main, 'refs/heads/stable': main } } };
  assert.equal(await run(withBranch), 1);
  assert.equal(await run(withBranch), 0);
  const later = web.commit({ 'later.txt': 'later' });
  assert.equal(await run({ git: { web: { 'refs/heads/main': later } } }), 1);
  assert.equal(await run({ git: { web: {} } }), 1, 'a state that says nothing is none');
});

test('a job one of whose projects is gone fails with its code, and the next job is done', async () => {
  const workshop = new Workshop();
  await using all = benchIn(workshop);
  workshop.remote('web');
  const gone = workshop.remote('gone');
  rmSync(gone.folder, { recursive: true });
  const projects = [{ ...WEB, project: 'gone' }, WEB];
  const answer = await all.jobs.submit('executor:execute', { projects, commands: ['true'] });
  assert.equal(codeOf(answer), 'ERR_NO_REPOSITORY');
  const next = await all.jobs.submit('executor:execute', { projects: [WEB], commands: ['true'] });
  valueOf(next);
});

test('as many repositories are updated at once as there are update workers', async () => {
  const workshop = new Workshop();
  const goOn = join(workshop.folder, 'go-on');
  const begun = (project: string): boolean => existsSync(join(workshop.folder, `begun-${project}`));
  const hold = `for last; do case "$last" in */remotes/*) touch ${workshop.folder}/begun-$(basename "$last");; esac; done
    until [ -e ${goOn} ]; do sleep 0.02; done`;
  await using all = benchIn(workshop, { updateWorkers: 2 }, { git: { program: workshop.insteadOf('fetch', hold) } });
  const projects = ['a', 'b', 'c'];
  for (const project of projects) workshop.remote(project);
  const updates = projects.map(async project => all.executor.update({ connection: 'git', project }));
  await until('two updates', () => begun('a') && begun('b'));
  assert.equal(begun('c'), false);
  writeFileSync(goOn, '');
  await Promise.all(updates);
  assert.equal(begun('c'), true);
});

/** A merge in `web` that has begun and goes on until it is let go, by an executor with one update worker. */
async function duringMerge(
  work: (all: Bench, letGo: () => void, merge: Promise<JobAnswer>) => Promise<void>,
  cache: Partial<RepoCacheOptions> = {},
): Promise<void> {
  const workshop = new Workshop();
  const [begun, goOn] = ['begun', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
  const program = workshop.insteadOf('merge-base', `touch ${begun}; until [ -e ${goOn} ]; do sleep 0.02; done`);
  await using all = benchIn(workshop, { updateWorkers: 1 }, { ...cache, git: { program } });
  workshop.remote('api');
  const items = [{ ...WEB, ref: workshop.remote('web').change('a', { 'a.txt': 'a' }) }];
  const merge = all.jobs.submit('merger:merge', { items });
  await until('the merge', () => existsSync(begun));
  await work(all, () => writeFileSync(goOn, ''), merge);
}

test('no update worker waits at the lock of a merge while another repository could be updated', async () => {
  await duringMerge(async ({ executor, jobs }, letGo, merge) => {
    let hasEnded = false;
    const web = executor.update({ connection: 'git', project: 'web' }).then(() => (hasEnded = true));
    const projects = [{ ...WEB, project: 'api' }];
    valueOf(await jobs.submit('executor:execute', { projects, commands: [] }));
    assert.equal(hasEnded, false);
    letGo();
    valueOf(await merge);
    await web;
  });
});

test('with a single lock an update of another repository waits for a merge, too', async () => {
  await duringMerge(
    async ({ executor }, letGo, merge) => {
      const order: string[] = [];
      const ends = [
        merge.then(() => order.push('merge')),
        executor.update({ connection: 'git', project: 'web' }).then(() => order.push('web')),
        executor.update({ connection: 'git', project: 'api' }).then(() => order.push('api')),
      ];
      letGo();
      await Promise.all(ends);
      assert.deepEqual(order, ['merge', 'web', 'api']);
    },
    { singleLock: true },
  );
});

test('all projects of a job are asked for before the first one is awaited', async () => {
  const workshop = new Workshop();
  const here = (project: string): string => join(workshop.folder, `begun-${project}`);
  // Each waits for the other one, but not forever.
  const meet = (mine: string, other: string): string =>
    `*remotes/${mine}*) touch ${here(mine)}; for n in $(seq 600); do [ -e ${here(other)} ] && break 2; sleep 0.05; done; exit 1;;`;
  const program = workshop.insteadOf('fetch', `case "$*" in ${meet('a', 'b')} ${meet('b', 'a')} esac`);
  await using all = benchIn(workshop, { updateWorkers: 2 }, { git: { program } });
  const projects = ['a', 'b'].map(project => {
    workshop.remote(project);
    return { ...WEB, project };
  });
  const answer = await all.jobs.submit('executor:execute', { projects, commands: [] });
  valueOf(answer);
});
