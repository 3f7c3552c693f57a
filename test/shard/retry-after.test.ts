/** How a shard client takes it when its master wants to be left alone for a while. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  farmMigrations,
  type FarmTables,
  HttpMasterLink,
  ShardClient,
  type ShardClientOptions,
} from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { FakeClock } from 'drone-task-queue/testing';
import Fastify from 'fastify';
import { until } from '../support/until.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

interface Asked {
  readonly retryAfter: string;
  readonly random: number;
  readonly options?: Partial<ShardClientOptions>;
}

/** After how long, and not before, a client comes again that was told 429. */
async function pauseAfter({ retryAfter, random, options }: Asked, expectedMs: number): Promise<void> {
  let heartbeats = 0;
  await using app = Fastify();
  app.post('/v1/heartbeat', async (_request, reply) => {
    heartbeats += 1;
    return reply.code(429).header('retry-after', retryAfter).send({});
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  await using store = await Store.open<FarmTables>({ memory: true });
  await store.migrate(farmMigrations);
  await using link = new HttpMasterLink({ url, token: 'token-1' });
  const clock = new FakeClock();
  const client = new ShardClient(store, link, {
    shardHostname: 'shard-1',
    pauseMs: 100,
    signals: false,
    random: () => random,
    clock,
    ...options,
  });
  const looping = client.loop();
  await until(() => client.failuresInARow === 1 && clock.timers === 1);
  await clock.advance(expectedMs - 1);
  assert.deepEqual([heartbeats, clock.timers], [1, 1]);
  await clock.advance(2);
  await until(() => heartbeats === 2);
  await client.close();
  await looping;
}

test('a client comes again no sooner than the master says, whatever its own pause and its jitter', async () => {
  await pauseAfter({ retryAfter: '30', random: 0 }, 30_000);
});

test('a client comes after its longest back-off, however long the master wants to be left alone', async () => {
  await pauseAfter({ retryAfter: '999999999', random: 0, options: { maxBackoffMs: 900 } }, 900);
});

test('a client with a longer pause of its own keeps to that', async () => {
  await pauseAfter({ retryAfter: '1', random: 0.5, options: { pauseMs: 20_000 } }, 20_000);
});
