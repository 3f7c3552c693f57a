/** Whatever a source hands out, and whatever is thrown over it, the executor goes on. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DroneTaskQueue } from 'drone-task-queue';
import { type Job, type JobAnswer, MemoryJobSource } from 'drone-task-queue/executor';
// The built one: the source's own has another async context than the package under test.
import { inSection } from '../../dist/wait/section-guard.js';
import { failureOf } from '../../src/executor/job-answer.js';
import { leakCheck } from '../support/leak-check.js';
import { bench, benchIn, codeOf, until, valueOf } from './executors.js';
import { Workshop } from './repositories.js';

leakCheck();

test('jobs of the same id, from different lanes, are all stopped, by their id and by the end', async () => {
  await using all = bench();
  const { workshop, jobs, executor } = all;
  const twoJobs = async (name: string): Promise<Promise<JobAnswer>[]> => {
    const files = ['a', 'b'].map(file => join(workshop.folder, `${name}-${file}`));
    const ends = files.map(async file =>
      jobs.submit('executor:execute', { projects: [], commands: [`touch ${file}; sleep 1000`] }, name),
    );
    await until('both commands', () => files.every(file => existsSync(file)));
    return ends;
  };
  const first = await twoJobs('one');
  assert.deepEqual(executor.running, ['one', 'one']);
  assert.deepEqual(valueOf(await jobs.submit('executor:stop:here', { id: 'one' }, 'one')), { stopped: true });
  for (const end of first) assert.equal(codeOf(await end), 'ERR_EXECUTOR_STOPPED');
  const second = await twoJobs('two');
  await jobs.submit('executor:stop:here', { id: 'none' }, 'two');
  await executor.close();
  for (const end of second) assert.equal(codeOf(await end), 'ERR_EXECUTOR_STOPPED');
});

test('a source that hands out an invalid job is like one that fails, and the next job is done', async () => {
  const jobs = new MemoryJobSource();
  const given: unknown[] = [null, undefined, { id: 1, answer() {} }];
  const take = async (...args: Parameters<typeof jobs.take>): Promise<Job> =>
    args[0] === 'execute' && given.length > 0 ? (given.shift() as Job) : jobs.take(...args);
  const lines: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (line: string) => void lines.push(line) };
  await using all = bench({ jobs: { take }, log });
  assert.equal(all.executor.isPaused, false);
  valueOf(await jobs.submit('executor:execute', { projects: [], commands: [] }));
  assert.deepEqual(lines, Array(3).fill('here: failed to take a job'));
});

test('an executor that is made in a section that writes does its jobs outside of it', async () => {
  const section = { isOpen: true, writes: true, title: 'the section', outer: undefined };
  const jobs = new MemoryJobSource();
  const workshop = new Workshop();
  workshop.remote('web');
  await using all = inSection(section, () => benchIn(workshop, { jobs }));
  await all.executor.update({ connection: 'git', project: 'web' });
  valueOf(await jobs.submit('executor:execute', { projects: [], commands: [] }));
});

test('a failure is reported whatever was thrown', async () => {
  const things: readonly (readonly [thing: unknown, message: string])[] = [
    [Object.create(null), '[Object: null prototype] {}'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [{ a: 1 }, '{ a: 1 }'],
  ];
  for (const [thing, message] of things) assert.equal(failureOf(thing).message, message);
  const droneFor = (): never => {
    throw Object.create(null) as Error;
  };
  await using all = bench({ droneFor });
  const answer = await all.jobs.submit('executor:execute', { projects: [], commands: [] });
  assert(!answer.ok);
  assert.equal(answer.error.message, '[Object: null prototype] {}');
});

test('the end stops all jobs before it waits for one of them', async () => {
  // A command has 30 s for its end.
  await using all = bench({ queueFor: () => new DroneTaskQueue({ killGraceMs: 30_000 }) });
  const { workshop, jobs, executor } = all;
  const [a, b] = ['a', 'b'].map(name => join(workshop.folder, name)) as [string, string];
  // Each ends well only when the other one is to end, too.
  const command = (mine: string, other: string): string =>
    `trap 'touch ${mine}.stopping; until [ -e ${other}.stopping ]; do sleep 0.02; done; touch ${mine}.done; exit 0' TERM
    touch ${mine}.begun; while :; do sleep 0.02; done`;
  const ends = [command(a, b), command(b, a)].map(async one =>
    jobs.submit('executor:execute', { projects: [], commands: [one] }),
  );
  await until('both commands', () => existsSync(`${a}.begun`) && existsSync(`${b}.begun`));
  await executor.close();
  for (const end of ends) assert.equal(codeOf(await end), 'ERR_EXECUTOR_STOPPED');
  assert.deepEqual([existsSync(`${a}.done`), existsSync(`${b}.done`)], [true, true]);
});
