/** What jobs cost in Redis: while they are there, after they were answered, and when there is no room. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { type Job, type JobAnswer, RedisJobSource, type RedisJobSourceOptions } from 'drone-task-queue/executor';
import { Redis } from 'ioredis';
import { leakCheck } from '../support/leak-check.js';
import { type Redis as RedisServer, startRedis } from '../support/redis.js';
import { untyped, valueOf } from './executors.js';

leakCheck();

const never = new AbortController().signal;
const HOUR_S = 3600;
const BULK = 'x'.repeat(256 * 1024);

async function open(redis: RedisServer, options: Partial<RedisJobSourceOptions> = {}): Promise<RedisJobSource> {
  return RedisJobSource.open({ url: redis.url, ...options });
}

class Admin implements AsyncDisposable {
  readonly redis: Redis;

  constructor(server: RedisServer) {
    this.redis = new Redis(server.url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.redis.disconnect();
  }

  /** Of all keys, bytes. */
  async sizes(): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    for (const key of await this.redis.keys('*')) {
      sizes.set(key, Number(await this.redis.memory('USAGE', key, 'SAMPLES', 0)));
    }
    return sizes;
  }

  async total(): Promise<number> {
    return [...(await this.sizes()).values()].reduce((sum, size) => sum + size, 0);
  }

  async limit(bytes: number): Promise<void> {
    await this.redis.config('SET', 'maxmemory', String(bytes));
  }
}

function hash(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

function tags(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`refs/tags/v${String(at)}`, hash(String(at))]));
}

test('of answers that were taken, and of their jobs, nothing is left', async () => {
  await using redis = await startRedis();
  await using admin = new Admin(redis);
  await using jobs = await open(redis);
  for (let at = 0; at < 12; at++) {
    const answer = untyped(jobs).submit('merger:cat', { text: BULK });
    const job = await jobs.take('merger', 'a', never);
    await job.answer(at % 3 === 0 ? failure(BULK) : { ok: true, value: BULK });
    assert.equal((await answer).ok, at % 3 !== 0);
  }
  // An answer goes after it has come.
  while ((await admin.total()) > 64 * 1024) await new Promise(setImmediate);
  const small = [...(await admin.sizes()).keys()].every(key => /:merger:[a-z-]+$/.test(key));
  assert(small, 'only what BullMQ keeps of a lane');
});

test('an answer that is never taken is kept once, and for an hour', async () => {
  await using redis = await startRedis();
  await using admin = new Admin(redis);
  await using executor = await open(redis);
  const asker = await open(redis);
  const answer = untyped(asker).submit('merger:cat', null);
  const job = await executor.take('merger', 'a', never);
  await asker.close();
  assert.equal((await answer).ok, false);
  await job.answer({ ok: true, value: BULK });
  const large = [...(await admin.sizes())].filter(([, size]) => size > 16 * 1024);
  assert.equal(large.length, 1);
  const leftS = await admin.redis.ttl(large[0]?.[0] ?? '');
  assert(leftS > 0 && leftS <= HOUR_S, String(leftS));
});

test('the refs of a repository are in Redis once, for all jobs and answers that have them', async () => {
  await using redis = await startRedis();
  await using admin = new Admin(redis);
  await using jobs = await open(redis);
  const refs = tags(5000);
  const repoState = { git: { web: refs, odd: { 'refs/heads/main': hash('odd') } } };
  const web = { connection: 'git', project: 'web', branch: 'main' };
  const merge = untyped(jobs).submit('merger:merge', { items: [], repoState });
  const merging = await jobs.take('merger', 'a', never);
  assert.deepEqual(merging.args, { items: [], repoState });
  await merging.answer({ ok: true, value: { commit: 'c', repoState } });

  const runs = [web, web, { ...web, project: 'other' }].map(async project =>
    untyped(jobs).submit('executor:execute', { projects: [project], commands: [], repoState }),
  );
  const taken: Job[] = [];
  for (const _ of runs) taken.push(await jobs.take('execute', 'a', never));
  const large = [...(await admin.sizes())].filter(([, size]) => size > 8 * 1024);
  assert.deepEqual(
    large.map(([key]) => key.replace(/:[^:]*$/, '')),
    ['drone-task-queue:states'],
  );
  const leftS = await admin.redis.ttl(large[0]?.[0] ?? '');
  assert(leftS > 0 && leftS <= HOUR_S + 60, String(leftS));

  assert.deepEqual(valueOf(await merge), { commit: 'c', repoState });
  const states = taken.map(({ args }) => (args as { repoState: unknown }).repoState);
  // A job gets no repositories that are not among its projects.
  assert.deepEqual(states, [{ git: { web: refs } }, { git: { web: refs } }, { git: {} }]);
  for (const job of taken) await job.answer({ ok: true, value: null });
  for (const run of runs) valueOf(await run);
});

test('a job whose state Redis does not have any more is not run', async () => {
  await using redis = await startRedis();
  await using admin = new Admin(redis);
  await using jobs = await open(redis);
  const answer = untyped(jobs).submit('merger:merge', { items: [], repoState: { git: { web: tags(100) } } });
  while ((await admin.redis.llen('drone-task-queue:merger:wait')) === 0) await new Promise(setImmediate);
  for (const key of await admin.redis.keys('*:states:*')) await admin.redis.del(key);
  const next = jobs.take('merger', 'a', never);
  const refused = await answer;
  assert(!refused.ok);
  assert.equal(refused.error.code, 'ERR_JOB_REFUSED');
  assert.match(refused.error.message, /repoState/);
  const second = untyped(jobs).submit('merger:cat', null);
  await (await next).answer({ ok: true, value: 2 });
  assert.equal(valueOf(await second), 2);
});

test('jobs that fill Redis are refused before it is full, so that those in it are done', async () => {
  await using redis = await startRedis();
  await using admin = new Admin(redis);
  await using jobs = await open(redis);
  const used = Number(/used_memory:(\d+)/.exec(await admin.redis.info('memory'))?.[1]);
  await admin.limit(used + 8 * 1024 * 1024);
  const answers = Array.from({ length: 60 }, async () => untyped(jobs).submit('merger:cat', { text: BULK }));
  const early: JobAnswer[] = [];
  for (const answer of answers) void answer.then(given => early.push(given));
  const waiting = async (): Promise<number> => admin.redis.llen('drone-task-queue:merger:wait');
  while (early.length + (await waiting()) < answers.length) await new Promise(setImmediate);
  const refused = [...early];
  assert(refused.length > 0 && refused.length < answers.length, String(refused.length));
  for (const answer of refused) {
    assert(!answer.ok);
    assert.deepEqual([answer.error.code, answer.error.isTransient], ['ERR_JOB_REFUSED', true]);
    assert.match(answer.error.message, /was not run.*OOM/);
  }
  for (let left = answers.length - refused.length; left > 0; left--) {
    await (await jobs.take('merger', 'a', never)).answer({ ok: true, value: BULK });
  }
  assert.equal((await Promise.all(answers)).filter(({ ok }) => !ok).length, refused.length);
  const last = untyped(jobs).submit('merger:cat', null);
  await (await jobs.take('merger', 'a', never)).answer({ ok: true, value: 1 });
  valueOf(await last);
});

test('an answer that finds Redis full waits for room', async () => {
  await using redis = await startRedis();
  await using admin = new Admin(redis);
  await using jobs = await open(redis);
  const answer = untyped(jobs).submit('merger:cat', null);
  const job = await jobs.take('merger', 'a', never);
  await admin.limit(1);
  const answering = job.answer({ ok: true, value: BULK });
  const refusals = async (): Promise<string> => admin.redis.info('errorstats');
  while (!(await refusals()).includes('errorstat_OOM')) await new Promise(setImmediate);
  await admin.limit(0);
  await answering;
  assert.equal(valueOf(await answer), BULK);
});

test('an answer that finds no room in time is a failure that may pass', async () => {
  await using redis = await startRedis();
  await using admin = new Admin(redis);
  await using jobs = await open(redis, { maxOutageMs: 1 });
  const answer = untyped(jobs).submit('merger:cat', null);
  const job = await jobs.take('merger', 'a', never);
  await admin.limit(1);
  await job.answer({ ok: true, value: BULK });
  const lost = await answer;
  assert(!lost.ok);
  assert.deepEqual([lost.error.code, lost.error.isTransient], ['ERR_JOB_LOST', true]);
  assert.match(lost.error.message, /its answer could not be stored: OOM/);
  await admin.limit(0);
});

function failure(message: string): JobAnswer {
  return { ok: false, error: { name: 'Error', message, code: null, stack: null, isTransient: false } };
}
