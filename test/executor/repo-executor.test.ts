/** Jobs from submission to answer, on real repositories and a local drone. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Drone } from 'drone-task-queue';
import type { CatReply, Job, JobAnswer } from 'drone-task-queue/executor';
import { FakeDrone } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { bench, benchIn, codeOf, failedReportOf, untyped, until, valueOf } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web' };
const API = { connection: 'git', project: 'org/api' };

test('a job runs its commands in clones of its projects as they are now, and leaves no workspace', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  const web = workshop.remote('web');
  const api = workshop.remote('org/api');
  await jobs.submit('merger:cat', { ...WEB, branch: 'main', files: [] });
  web.commit({ 'new.txt': 'new\n' });
  const projects = [WEB, API].map(name => ({ ...name, branch: 'main' }));
  const commands = [
    'cat git/web/new.txt; cd git/org/api && git branch --show-current && git remote get-url origin',
    'echo $OWN',
  ];
  const report = valueOf(await jobs.submit('executor:execute', { projects, commands, env: { OWN: 'mine' } }));
  assert.deepEqual(
    report.commands.map(({ command, result }) => [command, result.exitCode, result.stdout]),
    [
      [commands[0], 0, `new\nmain\n${api.folder}\n`],
      [commands[1], 0, 'mine\n'],
    ],
  );
  assert.deepEqual([report.failure, report.hostname], [null, 'localhost']);
  assert.deepEqual(
    report.projects.map(({ path, commit }) => [path, commit]),
    [
      ['git/web', web.commitOf('main')],
      ['git/org/api', api.commitOf('main')],
    ],
  );
  assert.deepEqual(readdirSync(all.workspaces), []);
});

test('what was merged is what the job of it sees, and the state from then', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  const web = workshop.remote('web');
  workshop.remote('org/api');
  const ref = web.change('a', { 'a.txt': 'merged\n' });
  const items = [{ ...WEB, branch: 'main', ref }];
  const merge = valueOf(await jobs.submit('merger:merge', { items, files: ['a.txt'] }));
  assert.deepEqual([merge.files, merge.host], [[{ 'a.txt': 'merged\n' }], 'here']);
  assert.equal(git(workshop.folder, 'ls-remote', merge.url, merge.branches[0]?.ref ?? '').slice(0, 40), merge.commit);
  web.commit({ 'later.txt': 'later' });
  const commands = ['cat git/web/a.txt && ! ls git/web/later.txt'];
  const job = { projects: merge.branches, commands, repoState: merge.repoState };
  const merged = valueOf(await jobs.submit('executor:execute', job));
  assert.equal(merged.commands[0]?.result.stdout, 'merged\n');
  const old = {
    ...job,
    projects: [{ ...WEB, branch: 'main' }],
    commands: ['! ls git/web/later.txt && ! ls git/web/a.txt'],
  };
  valueOf(await jobs.submit('executor:execute', old));
  const { branches } = merge;
  valueOf(await jobs.submit('executor:release:here', { branches }));
  assert.equal(git(workshop.folder, 'ls-remote', merge.url, branches[0]?.ref ?? ''), '');
});

test('a merge that conflicts is a failure with its code and paths', async () => {
  await using all = bench();
  const web = all.workshop.remote('web');
  const ref = web.change('a', { 'README.md': 'theirs\n' });
  web.commit({ 'README.md': 'ours\n' });
  const answer = await all.jobs.submit('merger:merge', { items: [{ ...WEB, branch: 'main', ref }] });
  assert(!answer.ok);
  const { code, paths, item, isTransient, message } = answer.error;
  assert.deepEqual([code, paths, item, isTransient], ['ERR_MERGE_CONFLICT', ['README.md'], 0, false]);
  assert.match(message, /CONFLICT/);
});

test('cat gives files as they are now, null for what is missing, and fails when the repository is gone', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  const web = workshop.remote('web');
  const cat = async (): Promise<CatReply> =>
    valueOf(await jobs.submit('merger:cat', { ...WEB, branch: 'main', files: ['README.md', 'none'] }));
  const first = await cat();
  assert.deepEqual(first.files, { 'README.md': 'first\n', none: null });
  web.commit({ 'README.md': 'second\n' });
  assert.deepEqual((await cat()).files, { 'README.md': 'second\n', none: null });
  rmSync(web.folder, { recursive: true });
  const gone = await jobs.submit('merger:cat', { ...WEB, branch: 'main', files: [] });
  assert(!gone.ok);
  assert.deepEqual([gone.error.code, gone.error.isTransient], ['ERR_NO_REPOSITORY', false]);
  assert.match(gone.error.message, /git fetch failed/);
});

const BAD_JOBS: readonly (readonly [name: string, args: unknown, code: string])[] = [
  ['executor:dance', {}, 'ERR_NO_SUCH_JOB'],
  ['merger:dance', {}, 'ERR_NO_SUCH_JOB'],
  ['executor:dance:here', {}, 'ERR_NO_SUCH_JOB'],
  ['executor:execute', null, 'ERR_INVALID_ARG'],
  ['executor:execute', { projects: [{ ...WEB, branch: '--x' }], commands: [] }, 'ERR_INVALID_ARG'],
  ['executor:execute', { projects: [{ ...WEB, branch: 'main', url: 'ext::x' }], commands: [] }, 'ERR_INVALID_ARG'],
  ['executor:execute', { projects: [], commands: [1] }, 'ERR_INVALID_ARG'],
  ['executor:execute', { projects: [{ ...WEB, branch: 'main' }], commands: [] }, 'ERR_NO_REPOSITORY'],
  ['merger:cat', { ...WEB, branch: 'main', files: 1 }, 'ERR_NO_REPOSITORY'],
  ['merger:merge', { items: [] }, 'ERR_INVALID_ARG'],
  ['merger:merge', undefined, 'ERR_INVALID_ARG'],
  ['executor:stop:here', {}, 'ERR_INVALID_ARG'],
  ['executor:release:here', { branches: 1 }, 'ERR_INVALID_ARG'],
];

test('unknown jobs, bad arguments and exceptions are answered, and the next job is done', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  for (const [name, args, code] of BAD_JOBS) {
    const answer = await untyped(jobs).submit(name, args);
    assert(!answer.ok, name);
    assert.equal(answer.error.code, code, `${name}: ${answer.error.message}`);
  }
  workshop.remote('web');
  const projects = [{ ...WEB, branch: 'none' }];
  const answer = await jobs.submit('executor:execute', { projects, commands: ['true'] });
  assert(!answer.ok);
  assert.equal(answer.error.code, 'ERR_NO_REF');
  valueOf(await jobs.submit('merger:cat', { ...WEB, branch: 'main', files: [] }));
});

test('a command that fails is the last one, and its result is in the report', async () => {
  await using all = bench();
  const commands = ['true', 'exit 3', 'touch never'];
  const answer = await all.jobs.submit('executor:execute', { projects: [], commands });
  assert.equal(codeOf(answer), 'ERR_COMMAND_FAILED');
  assert.deepEqual(
    failedReportOf(answer).commands.map(({ result }) => result.exitCode),
    [0, 3],
  );
});

test('a command that runs out of time is a failure in the report', async () => {
  await using all = bench();
  const job = { projects: [], commands: ['sleep 1000'], timeoutMs: 200 };
  const answer = await all.jobs.submit('executor:execute', job);
  assert.equal(codeOf(answer), 'ERR_DRONE_FAILED');
  const { commands, failure } = failedReportOf(answer);
  assert.deepEqual([commands, failure?.kind, failure?.mayHaveRun], [[], 'timeout', true]);
});

test('for another machine the workspace is copied there and removed in the end', async () => {
  const calls: string[] = [];
  const drone = new FakeDrone('web1', {
    putDirectory: (from: string, to: string) => {
      calls.push(`put ${String(existsSync(join(from, 'git/web/README.md')))} ${to.replace(/[^/]*$/, '')}`);
      return { bytes: 0, files: 1, directories: 0, links: 0, leftOut: [] };
    },
    run: (command: string) => {
      calls.push(command.replace(/[^/ ]*$/, ''));
      return { exitCode: 0, signal: null, stdout: '', stderr: '', durationMs: 0, truncated: false, totalBytes: {} };
    },
  });
  await using all = bench({ droneFor: () => drone as unknown as Drone, droneFolder: 'work' });
  all.workshop.remote('web');
  const job = { projects: [{ ...WEB, branch: 'main' }], commands: ['make -C git/web'] };
  valueOf(await all.jobs.submit('executor:execute', job));
  assert.deepEqual(calls, ['put true work/', 'make -C git/', 'rm -rf -- work/']);
});

test('a job is stopped by its id, and its commands are ended', async () => {
  await using all = bench();
  const { workshop, jobs, executor } = all;
  const file = join(workshop.folder, 'begun');
  const commands = [`touch ${file}; sleep 1000`];
  const running = jobs.submit('executor:execute', { projects: [], commands }, 'job-1');
  await until('the command', () => existsSync(file));
  assert.deepEqual(executor.running, ['job-1']);
  assert.deepEqual(valueOf(await jobs.submit('executor:stop:here', { id: 'job-1' })), { stopped: true });
  const answer = await running;
  assert(!answer.ok);
  assert.deepEqual([answer.error.code, answer.error.message], ['ERR_EXECUTOR_STOPPED', 'the job was stopped']);
  assert.deepEqual(valueOf(await jobs.submit('executor:stop:here', { id: 'job-1' })), { stopped: false });
  assert.deepEqual(readdirSync(all.workspaces), []);
});

test('a job that waits for an update is stopped by its id, and the update goes on', async () => {
  const workshop = new Workshop();
  const [begun, goOn] = ['begun', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
  const hold = `touch ${begun}; until [ -e ${goOn} ]; do sleep 0.02; done`;
  await using all = benchIn(workshop, {}, { git: { program: workshop.insteadOf('fetch', hold) } });
  const { jobs, executor } = all;
  workshop.remote('web');
  const update = executor.update(WEB);
  await until('the update', () => existsSync(begun));
  const job = jobs.submit('executor:execute', { projects: [{ ...WEB, branch: 'main' }], commands: [] }, 'job-1');
  await until('the job', () => executor.running.length > 0);
  assert.deepEqual(valueOf(await jobs.submit('executor:stop:here', { id: 'job-1' })), { stopped: true });
  const answer = await job;
  assert.equal(answer.ok ? undefined : answer.error.code, 'ERR_EXECUTOR_STOPPED');
  writeFileSync(goOn, '');
  await update;
});

test('jobs of commands and stops are not held up by a merge that waits for updates to end', async () => {
  const workshop = new Workshop();
  const [begun, goOn] = ['begun', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
  const hold = `case "$*" in *org/api*) touch ${begun}; until [ -e ${goOn} ]; do sleep 0.02; done;; esac`;
  await using all = benchIn(workshop, {}, { git: { program: workshop.insteadOf('fetch', hold) } });
  const { jobs, executor } = all;
  workshop.remote('org/api');
  const web = workshop.remote('web');
  const update = executor.update(API);
  await until('the update', () => existsSync(begun));
  const ref = web.change('a', { 'a.txt': 'a' });
  const merge = jobs.submit('merger:merge', { items: [{ ...WEB, branch: 'main', ref }] });
  const job = { projects: [{ ...WEB, branch: 'main' }], commands: ['true'] };
  valueOf(await jobs.submit('executor:execute', job));
  assert.deepEqual(valueOf(await jobs.submit('executor:stop:here', { id: 'none' })), { stopped: false });
  assert.equal(jobs.size, 1, 'the merge was not taken');
  writeFileSync(goOn, '');
  await update;
  valueOf(await merge);
});

test('workspaces are cloned, and changes merged, while nothing else is done in the repository', async () => {
  const workshop = new Workshop();
  const log = join(workshop.folder, 'log');
  const script = (word: string): string =>
    `echo ${word} >>${log}; git "$@"; status=$?; echo out >>${log}; exit $status`;
  const program = workshop.insteadOf('fetch', script('fetch'));
  const both = readFileSync(program, 'utf8').replace(
    'exec git',
    `case "$*" in *" clone "*) ${script('clone')};; esac\nexec git`,
  );
  writeFileSync(program, both);
  await using all = benchIn(workshop, {}, { git: { program } });
  const { jobs, executor } = all;
  workshop.remote('web');
  const job = async (): Promise<JobAnswer> =>
    jobs.submit('executor:execute', { projects: [{ ...WEB, branch: 'main' }], commands: [] });
  const items = [{ ...WEB, branch: 'main', ref: 'refs/heads/main' }];
  const ends = [
    job(),
    executor.update(WEB),
    jobs.submit('merger:merge', { items }),
    job(),
    executor.update(WEB),
    job(),
  ];
  await Promise.all(ends);
  const lines = readFileSync(log, 'utf8').trim().split('\n');
  assert(
    lines.every((line, at) => (line === 'out') === (at % 2 === 1)),
    lines.join(' '),
  );
  assert.equal(lines.filter(line => line === 'clone').length, 3);
});

test('a paused executor takes only stops, finishes what runs, and goes on when it is resumed', async () => {
  await using all = bench();
  const { workshop, jobs, executor } = all;
  const [begun, goOn] = ['begun', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
  const commands = [`touch ${begun}; until [ -e ${goOn} ]; do sleep 0.02; done; echo done`];
  const running = jobs.submit('executor:execute', { projects: [], commands });
  await until('the command', () => existsSync(begun));
  executor.pause();
  executor.pause();
  const waiting = ['executor:execute', 'merger:dance'].map(async name =>
    untyped(jobs).submit(name, { projects: [], commands: [`touch ${goOn}`] }),
  );
  assert.deepEqual([jobs.size, executor.isPaused], [2, true]);
  // A stop is not work.
  assert.deepEqual(valueOf(await jobs.submit('executor:stop:here', { id: 'none' })), { stopped: false });
  writeFileSync(goOn, '');
  assert.equal(valueOf(await running).commands[0]?.result.stdout, 'done\n');
  assert.equal(jobs.size, 2);
  executor.resume();
  executor.resume();
  await Promise.all(waiting);
  assert.deepEqual([jobs.size, executor.isPaused], [0, false]);
});

test('an executor of some lanes leaves other jobs alone, and does those for its host', async () => {
  await using all = bench({ lanes: ['merger'] });
  const { jobs } = all;
  const run = jobs.submit('executor:execute', { projects: [], commands: [] }, 'run');
  assert.equal(codeOf(await untyped(jobs).submit('merger:dance', null)), 'ERR_NO_SUCH_JOB');
  assert.equal(jobs.size, 1);
  // It waits for any executor, and a stop takes it away.
  assert.deepEqual(valueOf(await jobs.submit('executor:stop:here', { id: 'run' })), { stopped: true });
  assert.equal(codeOf(await run), 'ERR_JOB_WITHDRAWN');
  for (const lanes of [[], ['host'], 'merger']) {
    assert.throws(() => bench({ lanes: lanes as ['merger'] }), { code: 'ERR_INVALID_ARG' });
  }
});

test('a running job is stopped by its submitter, who knows the executor', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  const begun = join(workshop.folder, 'begun');
  const stop = new AbortController();
  const hosts: string[] = [];
  const onTaken = (host: string): void => void hosts.push(host);
  const options = { signal: stop.signal, onTaken };
  const run = jobs.submit('executor:execute', { projects: [], commands: [`touch ${begun}; sleep 1000`] }, options);
  await until('the command', () => existsSync(begun));
  stop.abort(new Error('enough'));
  const answer = await run;
  assert.equal(codeOf(answer), 'ERR_EXECUTOR_STOPPED');
  assert.match(answer.ok ? '' : answer.error.message, /stopped: enough/);
  assert.deepEqual(hosts, ['here']);
});

test('a stop ends a running job although its source cannot withdraw jobs that wait', async () => {
  await using all = bench();
  const { workshop, jobs } = all;
  const begun = join(workshop.folder, 'begun');
  const run = jobs.submit('executor:execute', { projects: [], commands: [`touch ${begun}; sleep 1000`] }, 'run');
  await until('the command', () => existsSync(begun));
  const withdraw = async (): Promise<boolean> => Promise.reject(new Error('no Redis'));
  Object.assign(jobs, { withdraw });
  const stop = await jobs.submit('executor:stop:here', { id: 'run' });
  assert.match(stop.ok ? '' : stop.error.message, /no Redis/);
  assert.equal(codeOf(await run), 'ERR_EXECUTOR_STOPPED');
});

test('no more than maxJobs run at once', async () => {
  await using all = bench({ maxJobs: 1 });
  const { workshop, jobs } = all;
  const log = join(workshop.folder, 'log');
  const commands = [`echo in >>${log}; sleep 0.05; echo out >>${log}`];
  await Promise.all([0, 1, 2].map(async () => jobs.submit('executor:execute', { projects: [], commands })));
  assert.equal(readFileSync(log, 'utf8'), 'in\nout\n'.repeat(3));
});

test('close ends running jobs, hanging updates and merges, rejects all who wait, and takes no more', async () => {
  const workshop = new Workshop();
  const begun = join(workshop.folder, 'begun');
  const hang = `case "$*" in *org/api*) touch ${begun}; sleep 1000;; esac`;
  await using all = benchIn(workshop, {}, { git: { program: workshop.insteadOf('fetch', hang) } });
  const { jobs, executor } = all;
  workshop.remote('org/api');
  const command = join(workshop.folder, 'command');
  const ends = Promise.all([
    jobs.submit('executor:execute', { projects: [], commands: [`touch ${command}; sleep 1000`] }),
    jobs.submit('executor:execute', { projects: [{ ...API, branch: 'main' }], commands: [] }),
    jobs.submit('merger:cat', { ...API, branch: 'main', files: [] }),
  ]);
  const update = assert.rejects(executor.update(API), { code: 'ERR_EXECUTOR_STOPPED' });
  await until('update and command', () => existsSync(begun) && existsSync(command));
  const stopped = executor.close();
  const late = jobs.submit('executor:execute', { projects: [], commands: [] });
  await Promise.all([stopped, executor.close(), update]);
  assert.deepEqual(executor.running, []);
  await assert.rejects(executor.update(API), { code: 'ERR_EXECUTOR_STOPPED' });
  jobs.close();
  for (const answer of [...(await ends), await late]) {
    assert(!answer.ok);
    assert.equal(answer.error.code, 'ERR_EXECUTOR_STOPPED');
  }
  assert.deepEqual(readdirSync(all.workspaces), []);
  executor.pause();
  executor.resume();
});

test('close resolves while it is paused, and when the job source heeds no signal', async () => {
  let hand: (job: Job) => void = () => undefined;
  let isFirst = true;
  const answers: JobAnswer[] = [];
  const jobs = {
    take: async (): Promise<Job> => {
      if (isFirst) {
        isFirst = false;
        throw new Error('the source is gone for a moment');
      }
      return new Promise(resolve => {
        hand = resolve;
      });
    },
  };
  const lines: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (line: string) => void lines.push(line) };
  await using all = bench({ jobs, log });
  await until('the line in the log', () => lines.length > 0);
  assert.deepEqual(lines, ['here: failed to take a job']);
  await all.executor.close();
  hand({ id: 'late', name: 'executor:execute', args: {}, answer: async answer => void answers.push(answer) });
  await until('the answer', () => answers.length > 0);
  assert.equal(answers[0]?.ok, false);

  await using paused = bench();
  paused.executor.pause();
  await paused.executor.close();
});
