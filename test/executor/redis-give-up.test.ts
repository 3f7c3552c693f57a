/** Jobs in Redis that are given up after their executor has died or was stopped: never "certainly not run". */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { type JobAnswer, RedisJobSource } from 'drone-task-queue/executor';
import { FakeClock } from 'drone-task-queue/testing';
import { Redis } from 'ioredis';
import { leakCheck } from '../support/leak-check.js';
import { startRedis } from '../support/redis.js';
import { until } from '../support/until.js';
import { untyped } from './executors.js';

leakCheck();

const never = new AbortController().signal;

/** Asserts that the answer leaves open whether the job ran. */
function isLost(answer: JobAnswer, why: RegExp): void {
  assert(!answer.ok);
  const { code, isTransient, message } = answer.error;
  assert.deepEqual([code, isTransient], ['ERR_JOB_LOST', false], message);
  assert.match(message, why);
}

test('a job that is given up after its executor lost its claim is lost, and is stopped if it still runs', async () => {
  await using redis = await startRedis();
  const clock = new FakeClock();
  await using asker = await RedisJobSource.open({ url: redis.url, clock });
  // Its clock stands still, so that it does not renew its claims.
  await using stuck = await RedisJobSource.open({ url: redis.url, clock: new FakeClock() });
  const client = new Redis(redis.url);
  try {
    const giveUp = new AbortController();
    const ways = [
      [{ signal: giveUp.signal }, async () => giveUp.abort(new Error('enough')), /lockMs \(30000\), and enough$/],
      [
        { timeoutMs: 60_000 },
        async () => clock.advance(60_000),
        /lockMs \(30000\), and its timeoutMs \(60000\) has passed$/,
      ],
    ] as const;
    for (const [options, end, why] of ways) {
      let host = '';
      const onTaken = (one: string): void => void (host = one);
      const answer = untyped(asker).submit('executor:execute', {}, { ...options, onTaken });
      const job = await stuck.take('execute', 'there', never);
      await until(() => host === 'there');
      assert(job.signal !== undefined);
      const stopped = once(job.signal, 'abort');
      // As after lockMs.
      assert.equal(await client.del(await client.keys('*:lock')), 1);
      await end();
      isLost(await answer, why);
      await stopped;
    }
  } finally {
    client.disconnect();
  }
});

test('a job that waits to be failed, as its executor lost its claim, is lost when it is given up', async () => {
  await using redis = await startRedis();
  await using asker = await RedisJobSource.open({ url: redis.url, lockMs: 100 });
  await using stuck = await RedisJobSource.open({ url: redis.url, lockMs: 100, clock: new FakeClock() });
  const client = new Redis(redis.url);
  try {
    const giveUp = new AbortController();
    const answer = untyped(asker).submit('executor:execute', {}, { id: 'one', signal: giveUp.signal });
    await stuck.take('execute', 'there', never);
    await until(async () => (await client.llen('drone-task-queue:execute:wait')) === 1);
    assert.equal(await asker.withdraw('one'), false);
    giveUp.abort(new Error('enough'));
    isLost(await answer, /lockMs \(100\), and enough$/);
  } finally {
    client.disconnect();
  }
});

test('a job for a host whose executor died after it took the job is lost', async () => {
  await using redis = await startRedis();
  const clock = new FakeClock();
  await using asker = await RedisJobSource.open({ url: redis.url, clock });
  await using stuck = await RedisJobSource.open({ url: redis.url, clock: new FakeClock() });
  const client = new Redis(redis.url);
  try {
    let isTaken = false;
    const onTaken = (): void => void (isTaken = true);
    const answer = untyped(asker).submit('executor:release:there', {}, { onTaken });
    await stuck.take('host', 'there', never);
    await until(() => isTaken);
    // As after lockMs.
    const keys = [...(await client.keys('*:lock')), ...(await client.keys('*:present:*'))];
    assert.equal(await client.del(keys), 2);
    let isAnswered = false;
    void answer.finally(() => (isAnswered = true));
    await until(async () => {
      await clock.advance(5000);
      return isAnswered;
    });
    isLost(await answer, /lockMs \(30000\)$/);
  } finally {
    client.disconnect();
  }
});
