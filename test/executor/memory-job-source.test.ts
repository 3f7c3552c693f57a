/** Jobs of one process, besides what holds of all sources: see test/contract/job-source. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryJobSource } from 'drone-task-queue/executor';
import { untyped } from './executors.js';

const never = new AbortController().signal;

test('the size of a source is how many jobs wait to be taken', async () => {
  const jobs = new MemoryJobSource();
  const answers = ['merger:cat', 'executor:execute'].map(async name => untyped(jobs).submit(name, null));
  assert.equal(jobs.size, 2);
  const job = await jobs.take('merger', 'a', never);
  assert.equal(jobs.size, 1);
  jobs.close();
  assert.equal(jobs.size, 0);
  await job.answer({ ok: true, value: 1 });
  assert.deepEqual(
    (await Promise.all(answers)).map(({ ok }) => ok),
    [true, false],
  );
});

test('of those who wait the one that does the fewest jobs gets the next one, and of equals the first', async () => {
  const jobs = new MemoryJobSource();
  const order: string[] = [];
  const takers = (
    [
      ['busy', 2],
      ['first', 0],
      ['second', 0],
      ['one', 1],
    ] as const
  ).map(async ([host, running]) => {
    const job = await jobs.take('execute', host, never, running);
    order.push(host);
    await job.answer({ ok: true, value: host });
  });
  for (let at = 0; at < takers.length; at++) await untyped(jobs).submit('executor:execute', at);
  await Promise.all(takers);
  assert.deepEqual(order, ['first', 'second', 'one', 'busy']);
});
