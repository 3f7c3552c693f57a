/** What `drone-shard` is set to, by its configuration and the environment. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { readSettings, strangersIn, variableOf } from '../../../src/shard/cli/settings.js';

let folder = '';
let file = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-settings-'));
  file = join(folder, 'shard.json');
});
after(() => rm(folder, { recursive: true }));

const WRONG: readonly (readonly [name: string, text: string, message: RegExp])[] = [
  ['that is not JSON', '{"storeUrl": "postgres://user:hidden@db/farm",}', /shard\.json is not valid JSON/],
  ['that ends too early', '{"storeUrl": "hidden', /is not valid JSON/],
  ['that is not an object', '["hidden"]', /is not a JSON object/],
  ['with an unknown setting', '{"pauseMS": "hidden"}', /: unknown setting "pauseMS" \(did you mean 'pauseMs'\?\)$/],
  [
    'with a name that all objects have',
    '{"toString": "hidden"}',
    /unknown setting "toString", expected one of shardHostname, masterUrl/,
  ],
  ['with a token in it', '{"token": "hidden"}', /unknown setting "token": it is a secret, for DRONE_SHARD_TOKEN/],
  ['with a text for a number', '{"pauseMs": "hidden"}', /pauseMs is string, not a number/],
  ['with a number for a text', '{"host": 5}', /host is number, not a string/],
  ['with nothing for a text', '{"host": ""}', /host is empty, not a string/],
];

for (const [name, text, message] of WRONG) {
  test(`a configuration ${name} is refused, and not shown`, async () => {
    await writeFile(file, text);
    await assert.rejects(readSettings(file, {}), (error: Error) => {
      assert.equal(error.name, 'UsageError');
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hidden/);
      return true;
    });
  });
}

test('a configuration that is not there is refused', async () => {
  await assert.rejects(readSettings(join(folder, 'nowhere.json'), {}), /the configuration cannot be read: ENOENT/);
});

test('paths of a configuration are relative to it, those of the environment are not', async () => {
  await writeFile(file, JSON.stringify({ storeFile: 'farm.db', caFile: '/etc/ca.pem' }));
  const settings = await readSettings(file, { DRONE_SHARD_TOKEN_FILE: 'token' });
  assert.deepEqual(settings, { storeFile: join(folder, 'farm.db'), caFile: '/etc/ca.pem', tokenFile: 'token' });
});

test('the environment goes before the configuration, also where it says the same in another way', async () => {
  await writeFile(file, JSON.stringify({ pauseMs: 5, host: '::', storeFile: 'farm.db', tokenFile: 'token' }));
  const env = { DRONE_SHARD_PAUSE_MS: '7', DRONE_SHARD_HOST: '', DRONE_SHARD_STORE_URL: 'url', DRONE_SHARD_TOKEN: 't' };
  assert.deepEqual(await readSettings(file, env), { pauseMs: 7, host: '::', storeUrl: 'url', token: 't' });
  assert.deepEqual(await readSettings(undefined, {}), {});
});

test('a number of the environment that is none is refused', async () => {
  for (const text of ['tcp://10.0.0.1:80', ' ', '-Infinity', '5ms']) {
    await assert.rejects(readSettings(undefined, { DRONE_SHARD_PORT: text }), /DRONE_SHARD_PORT is ".*", not a number/);
  }
});

test('a number may be Infinity, in the configuration as a text', async () => {
  await writeFile(file, JSON.stringify({ lifetimeMs: 'Infinity' }));
  const env = { DRONE_SHARD_HEARTBEATS_PER_MINUTE: 'Infinity' };
  assert.deepEqual(await readSettings(file, env), { lifetimeMs: Infinity, heartbeatsPerMinute: Infinity });
});

test('variables are named as the settings are', () => {
  assert.equal(variableOf('shardHostname'), 'DRONE_SHARD_HOSTNAME');
  assert.equal(variableOf('host'), 'DRONE_SHARD_HOST');
  assert.equal(variableOf('heartbeatsPerMinute'), 'DRONE_SHARD_HEARTBEATS_PER_MINUTE');
  assert.deepEqual(strangersIn({ DRONE_SHARD_HOST: 'a', DRONE_SHARD_TOKEN: 't', DRONE_SHARD_HSOT: 'b', HOST: 'c' }), [
    "DRONE_SHARD_HSOT (did you mean 'DRONE_SHARD_HOST'?)",
  ]);
});
