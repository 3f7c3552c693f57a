/** Jobs of one process: who gets which, and that nobody who submits is forgotten. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryJobSource } from 'drone-task-queue/executor';

const DONE = { ok: true, value: 1 } as const;
const never = new AbortController().signal;

test('each lane has its own line, and a host gets only its own jobs', async () => {
  const jobs = new MemoryJobSource();
  const names = [
    'merger:merge',
    'executor:execute',
    'executor:stop:b',
    'executor:stop:a',
    'merger:cat',
    'executor:odd',
  ];
  const answers = Promise.all(names.map(async name => jobs.submit(name, name)));
  assert.equal(jobs.size, 6);
  const taken: string[] = [];
  for (const [lane, host] of [
    ['merger', 'a'],
    ['merger', 'b'],
    ['host', 'a'],
    ['host', 'b'],
    ['execute', 'b'],
    ['execute', 'a'],
  ] as const) {
    const job = await jobs.take(lane, host, never);
    assert.equal(job.args, job.name);
    taken.push(job.name);
    await job.answer(DONE);
  }
  assert.deepEqual(taken, [
    'merger:merge',
    'merger:cat',
    'executor:stop:a',
    'executor:stop:b',
    'executor:execute',
    'executor:odd',
  ]);
  assert.deepEqual(
    await answers,
    Array.from(names, () => DONE),
  );
});

test('who waits gets the next job, in turn, unless he has given up', async () => {
  const jobs = new MemoryJobSource();
  const stop = new AbortController();
  const gone = jobs.take('merger', 'a', stop.signal);
  const first = jobs.take('merger', 'a', never);
  const second = jobs.take('merger', 'b', never);
  stop.abort(new Error('no more'));
  await assert.rejects(gone, /no more/);
  await assert.rejects(jobs.take('merger', 'a', stop.signal), /no more/);
  const answers = [1, 2].map(async at => jobs.submit('merger:cat', at));
  for (const [at, taking] of [first, second].entries()) {
    const job = await taking;
    assert.equal(job.args, at + 1);
    await job.answer(DONE);
  }
  await Promise.all(answers);
});

test('a name that is of no lane is refused', async () => {
  const jobs = new MemoryJobSource();
  for (const name of ['', 'merge', 'executor', 'executor:', 'other:x', 'xexecutor:execute']) {
    await assert.rejects(jobs.submit(name, null), { code: 'ERR_INVALID_ARG' });
  }
});

test('a source that is closed answers all who wait, and all who come', async () => {
  const jobs = new MemoryJobSource();
  const waiting = jobs.submit('merger:cat', null);
  jobs.close();
  for (const answer of [await waiting, await jobs.submit('merger:cat', null)]) {
    assert(!answer.ok);
    assert.equal(answer.error.code, 'ERR_EXECUTOR_STOPPED');
  }
  assert.equal(jobs.size, 0);
});
