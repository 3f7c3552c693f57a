/** Redis servers that answer, but not with what was asked for: after a failover, without memory, at a long script. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { RedisJobSource, type RedisJobSourceOptions } from 'drone-task-queue/executor';
import { Redis } from 'ioredis';
import { leakCheck } from '../support/leak-check.js';
import { type Redis as RedisServer, startRedis } from '../support/redis.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until as eventually } from '../support/until.js';
import { codeOf, until, untyped, valueOf } from './executors.js';

leakCheck();

const never = new AbortController().signal;
const DONE = { ok: true, value: null } as const;
/** Where no server listens. */
const NOWHERE = ['127.0.0.1', '1'] as const;

async function open(redis: RedisServer, options: Partial<RedisJobSourceOptions> = {}): Promise<RedisJobSource> {
  return RedisJobSource.open({ url: redis.url, ...options });
}

/** A connection to configure a server with. */
async function admin(redis: RedisServer): Promise<AsyncDisposable & { readonly redis: Redis }> {
  const client = new Redis(redis.url);
  return { redis: client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

function portOf(redis: RedisServer): number {
  return Number(new URL(redis.url).port);
}

/** Submits a job and does it; resolves when it is answered. */
async function roundTrip(jobs: RedisJobSource): Promise<void> {
  const answer = untyped(jobs).submit('merger:cat', null);
  const job = await jobs.take('merger', 'a', never);
  await job.answer(DONE);
  valueOf(await answer);
}

test('after a failover behind one address, jobs go on at the new master', async () => {
  await using old = await startRedis();
  await using next = await startRedis();
  await using atOld = await admin(old);
  await using atNext = await admin(next);
  const { password } = new URL(old.url);
  for (const { redis } of [atOld, atNext]) await redis.config('SET', 'masterauth', password);
  await atNext.redis.replicaof('127.0.0.1', String(portOf(old)));
  const target = { host: '127.0.0.1', port: portOf(old) };
  await using proxy = await startTcpProxy(target);
  const url = new URL(old.url);
  url.port = String(proxy.port);
  await using jobs = await RedisJobSource.open({ url: url.href });
  await roundTrip(jobs);

  const held = untyped(jobs).submit('executor:execute', 'held');
  const heldJob = await jobs.take('execute', 'a', never);
  const offset = async ({ redis }: { redis: Redis }, field: string): Promise<number> =>
    Number(new RegExp(`${field}:(\\d+)`).exec(await redis.info('replication'))?.[1] ?? -1);
  const written = await offset(atOld, 'master_repl_offset');
  while ((await offset(atNext, 'slave_repl_offset')) < written) await new Promise(setImmediate);
  // Connections of now stay with the old master, which takes no writes any more.
  await atNext.redis.replicaof('NO', 'ONE');
  target.port = portOf(next);
  await atOld.redis.replicaof('127.0.0.1', String(portOf(next)));
  await roundTrip(jobs);
  await heldJob.answer(DONE);
  valueOf(await held);
});

test('a job that Redis cannot do now is done when it can', async () => {
  await using redis = await startRedis();
  await using at = await admin(redis);
  await using jobs = await open(redis);
  const stale = async (isStale: 'yes' | 'no'): Promise<void> => {
    await at.redis.config('SET', 'replica-serve-stale-data', isStale);
  };
  const obstacles: readonly (readonly [begin: () => Promise<unknown>, end: () => Promise<unknown>])[] = [
    // READONLY
    [async () => at.redis.replicaof(...NOWHERE), async () => at.redis.replicaof('NO', 'ONE')],
    // MASTERDOWN
    [
      async () => stale('no').then(async () => at.redis.replicaof(...NOWHERE)),
      async () => at.redis.replicaof('NO', 'ONE').then(async () => stale('yes')),
    ],
  ];
  for (const [begin, end] of obstacles) {
    await begin();
    const trip = roundTrip(jobs);
    await new Promise(resolve => setTimeout(resolve, 100));
    await end();
    await trip;
  }
});

test('a script that takes long holds jobs up, and no longer than it runs', async () => {
  await using redis = await startRedis();
  await using at = await admin(redis);
  await using jobs = await open(redis);
  await roundTrip(jobs);
  await at.redis.config('SET', 'lua-time-limit', '1');
  const script = new Redis(redis.url);
  const endless = assert.rejects(script.eval('while true do end', 0), /killed/i);
  await until('the script', () => script.status === 'ready');
  const trip = roundTrip(jobs);
  await new Promise(resolve => setTimeout(resolve, 100));
  await at.redis.script('KILL');
  await endless;
  await trip;
  await script.quit();
});

test('jobs wait for a Redis that loads its data', async () => {
  await using redis = await startRedis({ keeps: true });
  await using jobs = await open(redis);
  await roundTrip(jobs);
  {
    await using at = await admin(redis);
    const pipeline = at.redis.pipeline();
    for (let key = 0; key < 4000; key++) pipeline.set(`key${String(key)}`, 'x');
    await pipeline.exec();
  }
  await redis.signal('SIGKILL');
  // A delay for each key, µs.
  await redis.restart({ 'key-load-delay': '1000' }, 'Server initialized');
  const raw = new Redis(redis.url, { enableReadyCheck: false });
  await assert.rejects(raw.get('key'), /LOADING/);
  await roundTrip(jobs);
  raw.disconnect();
});

test('a source opens when Redis has loaded its data', async () => {
  await using redis = await startRedis({ keeps: true });
  {
    await using at = await admin(redis);
    const pipeline = at.redis.pipeline();
    for (let key = 0; key < 4000; key++) pipeline.set(`key${String(key)}`, 'x');
    await pipeline.exec();
  }
  await redis.signal('SIGKILL');
  await redis.restart({ 'key-load-delay': '1000' }, 'Server initialized');
  await using jobs = await open(redis);
  await roundTrip(jobs);
});

/** A cluster has all keys of a source on one server if its prefix is a hash tag. */
const IN_ONE_SLOT = { prefix: '{jobs}' };

test('jobs wait for a cluster that is down', async () => {
  await using redis = await startRedis({ settings: { 'cluster-enabled': 'yes' } });
  await using at = await admin(redis);
  await assert.rejects(at.redis.get('key'), /CLUSTERDOWN/);
  await using jobs = await open(redis, IN_ONE_SLOT);
  const trip = roundTrip(jobs);
  await new Promise(resolve => setTimeout(resolve, 100));
  await at.redis.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await trip;
});

/** Two servers of a cluster, of which the first has all keys. */
class Cluster implements AsyncDisposable {
  readonly first: RedisServer;
  readonly second: RedisServer;
  readonly #admins: readonly Redis[];
  #ids: readonly string[] = [];

  private constructor(first: RedisServer, second: RedisServer) {
    this.first = first;
    this.second = second;
    this.#admins = [first, second].map(({ url }) => new Redis(url));
  }

  static async start(): Promise<Cluster> {
    const settings = { 'cluster-enabled': 'yes' };
    const cluster = new Cluster(await startRedis({ settings }), await startRedis({ settings }));
    await cluster.#meet();
    return cluster;
  }

  async at(server: 'first' | 'second', ...words: readonly [string, ...string[]]): Promise<unknown> {
    const [name, ...args] = words;
    return this.#admins[server === 'first' ? 0 : 1]?.call(name, ...args);
  }

  /** Of the keys of `IN_ONE_SLOT`. */
  async setSlot(state: 'MIGRATING' | 'STABLE' | 'NODE'): Promise<void> {
    const slot = String(await this.at('first', 'CLUSTER', 'KEYSLOT', IN_ONE_SLOT.prefix));
    const [, id = ''] = this.#ids;
    const words = ['SETSLOT', slot, state, ...(state === 'STABLE' ? [] : [id])];
    if (state === 'NODE') await this.at('second', 'CLUSTER', ...words);
    await this.at('first', 'CLUSTER', ...words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const redis of this.#admins) redis.disconnect();
    await this.first.stop();
    await this.second.stop();
  }

  async #meet(): Promise<void> {
    await this.at('first', 'CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await this.at('first', 'CLUSTER', 'MEET', '127.0.0.1', String(portOf(this.second)));
    this.#ids = [String(await this.at('first', 'CLUSTER', 'MYID')), String(await this.at('second', 'CLUSTER', 'MYID'))];
    const [ofFirst = '', ofSecond = ''] = this.#ids;
    await eventually(async () => {
      const known = [
        String(await this.at('first', 'CLUSTER', 'NODES')).includes(ofSecond),
        String(await this.at('second', 'CLUSTER', 'NODES')).includes(ofFirst),
        String(await this.at('first', 'CLUSTER', 'INFO')).includes('cluster_state:ok'),
        String(await this.at('second', 'CLUSTER', 'INFO')).includes('cluster_state:ok'),
      ];
      return known.every(Boolean);
    });
  }
}

test('jobs wait for a slot that moves to another server of a cluster', async () => {
  await using cluster = await Cluster.start();
  await using jobs = await open(cluster.first, IN_ONE_SLOT);
  await roundTrip(jobs);
  // Of keys that this server does not have yet, it says who gets them.
  await using others = await open(cluster.first, { prefix: '{jobs}-other' });
  await cluster.at('first', 'SET', '{jobs}one', 'here');
  await cluster.setSlot('MIGRATING');
  await assert.rejects(cluster.at('first', 'MGET', '{jobs}one', '{jobs}other'), /TRYAGAIN/);
  await assert.rejects(cluster.at('first', 'GET', '{jobs}other'), /ASK/);
  const trips = [jobs, others].map(roundTrip);
  await new Promise(resolve => setTimeout(resolve, 100));
  await cluster.setSlot('STABLE');
  await Promise.all(trips);
});

test('a source does not open at a cluster that has its keys on several servers or on another one, and says what to use', async () => {
  await using cluster = await Cluster.start();
  await assert.rejects(open(cluster.first), {
    name: 'ExecutorError',
    code: 'ERR_REDIS_CLUSTER',
    message: /cluster mode.*; use a server without cluster mode, or a prefix in braces such as \{jobs\}: CROSSSLOT/,
  });
  const elsewhere = `127.0.0.1:${String(portOf(cluster.first))}`;
  await assert.rejects(open(cluster.second, IN_ONE_SLOT), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_REDIS_CLUSTER');
    const advice = `on ${elsewhere}; use a server without cluster mode, or that server's address: MOVED `;
    assert(error.message.includes(advice), error.message);
    return true;
  });
  await using jobs = await open(cluster.first, IN_ONE_SLOT);
  await roundTrip(jobs);
});

test('a slot that another server keeps fails jobs as not run, with that server, and takers with the code', async () => {
  await using cluster = await Cluster.start();
  await using jobs = await open(cluster.first, { ...IN_ONE_SLOT, maxOutageMs: 200 });
  await roundTrip(jobs);
  for (const key of (await cluster.at('first', 'KEYS', '*')) as string[]) await cluster.at('first', 'DEL', key);
  await cluster.setSlot('NODE');
  const refused = await untyped(jobs).submit('merger:cat', 1);
  assert(!refused.ok);
  assert.deepEqual([refused.error.code, refused.error.isTransient], ['ERR_JOB_REFUSED', true]);
  const server = `127.0.0.1:${String(portOf(cluster.second))}`;
  assert(
    refused.error.message.includes(`cluster mode and has keys of this source on ${server}`),
    refused.error.message,
  );
  await assert.rejects(jobs.take('merger', 'a', never), { code: 'ERR_REDIS_CLUSTER' });
});

test('a job that Redis refuses for too long fails as certainly not run', async () => {
  await using redis = await startRedis();
  await using at = await admin(redis);
  await using jobs = await open(redis, { maxOutageMs: 200 });
  await at.redis.replicaof(...NOWHERE);
  const refused = await untyped(jobs).submit('merger:cat', 1);
  assert(!refused.ok);
  assert.deepEqual([refused.error.code, refused.error.isTransient], ['ERR_JOB_REFUSED', true]);
  assert.match(refused.error.message, /was not run.*READONLY/);
  await at.redis.replicaof('NO', 'ONE');
  await roundTrip(jobs);
});

test('a Redis without memory refuses a job at once, and takes the next one when it has room', async () => {
  await using redis = await startRedis();
  await using at = await admin(redis);
  await using jobs = await open(redis);
  await roundTrip(jobs);
  await at.redis.config('SET', 'maxmemory', '1');
  const refused = await untyped(jobs).submit('merger:cat', 1);
  assert(!refused.ok);
  assert.deepEqual([refused.error.code, refused.error.isTransient], ['ERR_JOB_REFUSED', true]);
  assert.match(refused.error.message, /OOM/);
  await at.redis.config('SET', 'maxmemory', '0');
  await roundTrip(jobs);
});

test('an error at the first use of a lane does not keep the next job from it', async () => {
  await using redis = await startRedis();
  await using at = await admin(redis);
  // What a lane begins with: where its events stand, and the version of Redis.
  for (const command of ['xrevrange', 'info']) {
    await using jobs = await open(redis, { prefix: command });
    await at.redis.call('ACL', 'SETUSER', 'default', `-${command}`);
    assert.equal(codeOf(await untyped(jobs).submit('merger:cat', 1)), 'ERR_JOB_REFUSED');
    if (command === 'info') await assert.rejects(jobs.take('merger', 'a', never), /NOPERM/);
    await at.redis.call('ACL', 'SETUSER', 'default', `+${command}`);
    await roundTrip(jobs);
  }
});
