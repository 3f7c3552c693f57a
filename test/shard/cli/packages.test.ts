/** Optional packages that `drone-shard` misses. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { runWithPackagesOnly } from '../../support/lacking-packages.js';

const RUNS = `
  import { spawnSync } from 'node:child_process';
  import { fileURLToPath } from 'node:url';
  const bin = fileURLToPath(import.meta.resolve('drone-task-queue')).replace(/index.js$/, 'shard/cli.js');
  const env = { ...process.env, DRONE_SHARD_STORE_URL: 'postgres://127.0.0.1:1/farm' };
  for (const command of ['master', 'list-hosts']) {
    const { status, stderr } = spawnSync(process.execPath, [bin, command], { env, encoding: 'utf8' });
    console.log(status, stderr.trim());
  }`;

test('a command names all packages that it misses at once', async () => {
  const { stdout } = await runWithPackagesOnly(['kysely'], RUNS);
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    '2 drone-shard: needs the packages typebox, fastify, pg: npm install typebox fastify pg',
    '2 drone-shard: needs the packages typebox, pg: npm install typebox pg',
  ]);
});
