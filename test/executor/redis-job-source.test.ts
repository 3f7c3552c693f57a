/** Jobs in Redis when something dies: a failure that is seen, and nothing run twice. See also test/contract/job-source. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Job, RedisJobSource, type RedisJobSourceOptions } from 'drone-task-queue/executor';
import { FakeClock } from 'drone-task-queue/testing';
import { Redis } from 'ioredis';
import { runWithPackagesOnly } from '../support/lacking-packages.js';
import { leakCheck } from '../support/leak-check.js';
import { type Redis as RedisServer, startRedis } from '../support/redis.js';
import { benchIn, codeOf, until, untyped, valueOf } from './executors.js';
import { Workshop } from './repositories.js';

leakCheck();

const DYING_TAKER = fileURLToPath(new URL('./programs/dying-taker.js', import.meta.url));
/** Long enough for a taker that is held up between taking a job and answering it. */
const LOCK_MS = 1000;
const never = new AbortController().signal;

async function open(redis: RedisServer, options: Partial<RedisJobSourceOptions> = {}): Promise<RedisJobSource> {
  return RedisJobSource.open({ url: redis.url, ...options });
}

/** Lines that are logged, warnings and errors. */
function lineLog(): { readonly lines: string[]; readonly log: NonNullable<RedisJobSourceOptions['log']> } {
  const lines: string[] = [];
  const add = (line: string): void => void lines.push(line);
  return { lines, log: { debug() {}, info() {}, warn: add, error: add } };
}

/** A command that writes a line, and ends when it is let. */
function slowCommand(workshop: Workshop): { command: string; runs: () => number; letEnd: () => void } {
  const [log, goOn] = ['log', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
  return {
    command: `echo run >>${log}; until [ -e ${goOn} ]; do sleep 0.02; done; echo done`,
    runs: () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0),
    letEnd: () => writeFileSync(goOn, ''),
  };
}

test('an executor takes its jobs from Redis, is stopped by name there, and answers all', async () => {
  await using redis = await startRedis();
  await using jobs = await open(redis);
  await using asker = await open(redis);
  await using all = benchIn(new Workshop(), { jobs });
  all.workshop.remote('web');
  const project = { connection: 'git', project: 'web', branch: 'main' };
  const job = { projects: [project], commands: ['cat git/web/README.md'] };
  const report = valueOf(await asker.submit('executor:execute', job));
  assert.equal(report.commands[0]?.result.stdout, 'first\n');
  assert.deepEqual(valueOf(await asker.submit('merger:cat', { ...project, files: ['none'] })), {
    files: { none: null },
    url: `file://${all.workshop.gitDir('web')}`,
  });
  const slow = slowCommand(all.workshop);
  const running = asker.submit('executor:execute', { projects: [], commands: [slow.command] }, 'slow: 1');
  await until('the command', () => slow.runs() === 1);
  assert.deepEqual(valueOf(await asker.submit('executor:stop:here', { id: 'slow: 1' })), { stopped: true });
  assert.equal(codeOf(await running), 'ERR_EXECUTOR_STOPPED');
  assert.equal(codeOf(await untyped(asker).submit('executor:dance', {})), 'ERR_NO_SUCH_JOB');
  await all.executor.close();
});

test('a job whose executor was killed is lost, is not run by another one, and the next job is', async () => {
  await using redis = await startRedis();
  await using survivor = await open(redis, { lockMs: LOCK_MS });
  const child = spawn(process.execPath, [DYING_TAKER, redis.url, String(LOCK_MS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const taken = once(child.stdout, 'data');
    const answer = untyped(survivor).submit('executor:execute', {}, 'first');
    assert.equal(String((await taken)[0]), 'first\n');
    child.kill('SIGKILL');
    const next = survivor.take('execute', 'here', never);
    const lost = await answer;
    assert(!lost.ok);
    assert.equal(lost.error.code, 'ERR_JOB_LOST');
    const second = untyped(survivor).submit('executor:execute', {}, 'second');
    const job = await next;
    assert.equal(job.id, 'second');
    await job.answer({ ok: true, value: null });
    valueOf(await second);
  } finally {
    child.kill('SIGKILL');
  }
});

test('an executor that does not renew its locks loses its job, and its answer comes too late', async () => {
  await using redis = await startRedis();
  // Whose clock stands still.
  await using stuck = await open(redis, { lockMs: LOCK_MS, clock: new FakeClock() });
  await using other = await open(redis, { lockMs: LOCK_MS });
  const answer = untyped(other).submit('executor:execute', {}, 'first');
  const job = await stuck.take('execute', 'there', never);
  const next = other.take('execute', 'here', never);
  assert.equal(codeOf(await answer), 'ERR_JOB_LOST');
  await assert.rejects(job.answer({ ok: true, value: 1 }));
  const second = untyped(other).submit('executor:execute', {}, 'second');
  const following = await next;
  assert.equal(following.id, 'second');
  await following.answer({ ok: true, value: 2 });
  assert.equal(valueOf(await second), 2);
});

test('a job with a time limit whose submitter has died is not run later', async () => {
  await using redis = await startRedis();
  const asker = await open(redis);
  const client = new Redis(redis.url);
  try {
    const answer = untyped(asker).submit('merger:cat', 'late', { timeoutMs: 60_000 });
    while ((await client.llen('drone-task-queue:merger:wait')) === 0) await new Promise(setImmediate);
    await asker.close();
    assert.equal(codeOf(await answer), 'ERR_EXECUTOR_STOPPED');
    const [key = ''] = await client.keys('*:merger:????????-*_*');
    const data = JSON.parse((await client.hget(key, 'data')) ?? '') as { untilMs: number };
    // The minute is over.
    await client.hset(key, 'data', JSON.stringify({ ...data, untilMs: data.untilMs - 60_001 }));
  } finally {
    client.disconnect();
  }
  await using jobs = await open(redis);
  const taking = jobs.take('merger', 'here', never);
  const next = untyped(jobs).submit('merger:cat', 'next');
  const job = await taking;
  assert.equal(job.args, 'next');
  await job.answer({ ok: true, value: 1 });
  valueOf(await next);
});

test('the lock of a job is renewed for as long as the job is done', async () => {
  await using redis = await startRedis();
  const clock = new FakeClock();
  await using jobs = await open(redis, { clock });
  const answer = untyped(jobs).submit('executor:execute', {});
  const job = await jobs.take('execute', 'here', never);
  const client = new Redis(redis.url);
  try {
    const [lock = ''] = await client.keys('*:lock');
    for (let time = 0; time < 3; time++) {
      assert.equal(await client.pexpire(lock, 20_000), 1);
      await clock.advance(15_000);
      while ((await client.pttl(lock)) <= 20_000) await new Promise(setImmediate);
    }
    await job.answer({ ok: true, value: 1 });
    assert.equal(await client.exists(lock), 0);
  } finally {
    client.disconnect();
  }
  assert.equal(valueOf(await answer), 1);
});

test('a Redis that is killed in mid-job and has forgotten all: the job is lost, it ran once, the loops go on', async () => {
  await using redis = await startRedis();
  const told = lineLog();
  await using jobs = await open(redis, { log: told.log });
  const clock = new FakeClock();
  await using asker = await open(redis, { clock });
  const ofExecutor = lineLog();
  await using all = benchIn(new Workshop(), { jobs, log: ofExecutor.log });
  const slow = slowCommand(all.workshop);
  const running = asker.submit('executor:execute', { projects: [], commands: [slow.command] });
  await until('the command', () => slow.runs() === 1);
  await redis.signal('SIGKILL');
  await redis.restart();
  let answered = false;
  const lost = running.finally(() => (answered = true));
  while (!answered) {
    await clock.advance(5000);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  assert.equal(codeOf(await lost), 'ERR_JOB_LOST');
  slow.letEnd();
  await until('the end of the job', () => ofExecutor.lines.includes('here: a job could not be answered'));
  valueOf(await asker.submit('executor:execute', { projects: [], commands: ['true'] }));
  assert.equal(slow.runs(), 1);
  assert(told.lines.includes('redis_jobs: the connection to Redis is lost'));
  await all.executor.close();
});

test('a Redis that is killed in mid-job and has forgotten nothing: the job ends well, and ran once', async () => {
  await using redis = await startRedis({ keeps: true });
  await using jobs = await open(redis);
  await using asker = await open(redis);
  await using all = benchIn(new Workshop(), { jobs });
  const slow = slowCommand(all.workshop);
  const running = asker.submit('executor:execute', { projects: [], commands: [slow.command] });
  await until('the command', () => slow.runs() === 1);
  await redis.signal('SIGKILL');
  // What is asked for now waits until it is back.
  const later = asker.submit('executor:execute', { projects: [], commands: ['true'] });
  await redis.restart();
  slow.letEnd();
  assert.equal(valueOf(await running).commands[0]?.result.stdout, 'done\n');
  valueOf(await later);
  assert.equal(slow.runs(), 1);
  await all.executor.close();
});

test('waiting fails after maxOutageMs without Redis, and works again when it is back', async () => {
  await using redis = await startRedis();
  const clock = new FakeClock();
  const told = lineLog();
  await using jobs = await open(redis, { clock, log: told.log, maxOutageMs: 1000 });
  const first = untyped(jobs).submit('merger:cat', 1);
  await (await jobs.take('merger', 'here', never)).answer({ ok: true, value: 'first' });
  assert.equal(valueOf(await first), 'first');
  const waiting = untyped(jobs).submit('merger:cat', 2);
  const taken = await jobs.take('merger', 'here', never);
  await redis.signal('SIGKILL');
  await until('the outage', () => told.lines.includes('redis_jobs: the connection to Redis is lost'));
  await clock.advance(1000);
  assert.equal(codeOf(await waiting), 'ERR_JOB_LOST');
  assert.equal(codeOf(await untyped(jobs).submit('merger:cat', 3)), 'ERR_JOB_REFUSED');
  await redis.restart();
  await assert.rejects(taken.answer({ ok: true, value: null }));
  const back = untyped(jobs).submit('merger:cat', 4);
  const job = await jobs.take('merger', 'here', never);
  assert.equal(job.args, 4);
  await job.answer({ ok: true, value: 'back' });
  assert.equal(valueOf(await back), 'back');
});

test('a source is closed while Redis is away, or does not answer, and takes all connections along', async () => {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    await using redis = await startRedis();
    const jobs = await open(redis);
    const taking = assert.rejects(jobs.take('execute', 'here', never), { code: 'ERR_EXECUTOR_STOPPED' });
    const first = untyped(jobs).submit('merger:cat', 1);
    await (await jobs.take('merger', 'here', never)).answer({ ok: true, value: 1 });
    await first;
    await redis.signal(signal);
    const waiting = untyped(jobs).submit('merger:merge', 2);
    await jobs.close();
    assert.equal(codeOf(await waiting), 'ERR_EXECUTOR_STOPPED');
    await taking;
  }
});

test('a job that comes to a taker who has given up, or whose source was closed, is left to others', async () => {
  await using redis = await startRedis();
  await using asker = await open(redis);
  for (let at = 0; at < 8; at++) {
    await using jobs = await open(redis);
    const answer = untyped(asker).submit('executor:execute', at);
    const stop = new AbortController();
    let taken: Job | undefined;
    const taking = jobs.take('execute', 'there', stop.signal).then(
      job => (taken = job),
      () => undefined,
    );
    // At any moment of its way.
    for (let turns = at >> 1; turns > 0; turns--) await new Promise(setImmediate);
    const wasTaken = taken !== undefined;
    if (!wasTaken && at % 2 === 0) stop.abort();
    else if (!wasTaken) await jobs.close();
    const job = (await taking) ?? (await asker.take('execute', 'here', never));
    await job.answer({ ok: true, value: at });
    assert.equal(job === taken, wasTaken);
    assert.equal(valueOf(await answer), at);
  }
  const client = new Redis(redis.url);
  try {
    for (const key of await client.keys('*:execute:????????-*-*_*')) {
      assert(Number(await client.hget(key, 'ats')) <= 2, 'once by each of them');
    }
  } finally {
    client.disconnect();
  }
});

test('a taker that is at work leaves a new job to one that is idle', async () => {
  await using redis = await startRedis();
  const clock = new FakeClock();
  await using busy = await open(redis, { clock });
  await using idle = await open(redis);
  const order: string[] = [];
  const take = async (who: string, jobs: RedisJobSource, running: number): Promise<void> => {
    const job = await jobs.take('execute', who, never, running);
    order.push(who);
    await job.answer({ ok: true, value: who });
  };
  const byBusy = take('busy', busy, 3);
  const byIdle = take('idle', idle, 0);
  assert.equal(valueOf(await untyped(idle).submit('executor:execute', 1)), 'idle');
  await byIdle;
  // With no other taker about it takes it a little later.
  const second = untyped(idle).submit('executor:execute', 2);
  while (order.length < 2) {
    await clock.advance(20);
    await new Promise(setImmediate);
  }
  await byBusy;
  assert.equal(valueOf(await second), 'busy');
  assert.deepEqual(order, ['idle', 'busy']);
});

test('what others put into the queues is answered too, whatever it is', async () => {
  await using redis = await startRedis();
  await using jobs = await open(redis);
  await using all = benchIn(new Workshop(), { jobs });
  const { Queue, QueueEvents } = await import('bullmq');
  const { port, password } = new URL(redis.url);
  const connection = { host: '127.0.0.1', port: Number(port), password };
  const queue = new Queue('merger', { connection, prefix: 'drone-task-queue' });
  const events = new QueueEvents('merger', { connection, prefix: 'drone-task-queue' });
  await events.waitUntilReady();
  try {
    const job = await queue.add('merger:dance', null);
    const answer = (await job.waitUntilFinished(events)) as { ok: boolean };
    assert.equal(answer.ok, false);
  } finally {
    await Promise.all([queue.close(), events.close()]);
  }
  await all.executor.close();
});

test('a Redis that is not there, or refuses the login, is an error without the password', async () => {
  await using redis = await startRedis();
  const wrong = redis.url.replace(/:[^:@]+@/, ':secret@');
  for (const url of ['redis://:secret@127.0.0.1:1', wrong]) {
    await assert.rejects(RedisJobSource.open({ url }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_NO_REDIS');
      assert(!error.message.includes('secret'), error.message);
      return true;
    });
  }
});

test('options of a source in Redis that cannot be are refused', async () => {
  const url = 'redis://127.0.0.1:1';
  const bad = [{}, { url: 'http://x' }, { url: 1 }, { url, prefix: 'a:b' }, { url, lockMs: 0 }, { url, no: 1 }];
  for (const options of bad) {
    await assert.rejects(RedisJobSource.open(options as RedisJobSourceOptions), { code: 'ERR_INVALID_ARG' });
  }
});

test('the packages of a source in Redis are missed only where one is opened, and the error has the command', async () => {
  const { stdout } = await runWithPackagesOnly(
    ['tslib'],
    `import { RedisJobSource } from 'drone-task-queue/executor';
     await RedisJobSource.open({ url: 'redis://127.0.0.1:1' }).catch(({ code, message }) => console.log(code, message));`,
  );
  assert.equal(stdout, 'ERR_PACKAGE_MISSING a source of jobs in Redis needs the package bullmq: npm install bullmq\n');
});
