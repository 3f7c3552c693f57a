/** What was set up wrongly is said with its mend: stores without tables, broken tables, links and packets of one's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  completeEntry,
  type FarmTables,
  type HeartbeatPacket,
  type MasterLink,
  ShardClient,
  ShardMaster,
} from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { sql } from 'kysely';
import { testDatabases } from '../contract/store/databases.js';
import { leakCheck } from '../support/leak-check.js';
import { emptyReply } from './fake-master.js';
import { addRows, entry, type Farm, FINISHED_ON, host, job, openFarm, rowsOf } from './farm.js';
import { ScriptedLink, Told } from './scripted-link.js';

const databases = testDatabases();
leakCheck();

const MEND = /the store has no table 'farm_\w+' of a farm: apply farmMigrations with store\.migrate/;
const packet = { version: 1, shardHostname: 'shard4', knownJobIds: [], knownHosts: [], jobs: [], entries: [] };

function client(farm: Farm, link: MasterLink, told = new Told()): ShardClient {
  return new ShardClient(farm, link, { shardHostname: 'shard4', log: told.log });
}

async function execute(farm: Farm, text: string): Promise<void> {
  await farm.readWrite('alter', tx => sql.raw(text).execute(tx));
}

for (const database of databases.shared) {
  test(`${database.name}: on a store without tables heartbeats and the master say so, and how to make them`, async () => {
    await using store = await Store.open<FarmTables>(await database.place());
    const told = new Told();
    assert.equal(await client(store, new ScriptedLink(), told).doHeartbeat(), false);
    assert.match(told.lines.join('\n'), MEND);
    const master = new ShardMaster(store);
    await assert.rejects(master.createLabel('rack-1'), MEND);
    await assert.rejects(master.heartbeat('shard4', packet), MEND);
    await assert.rejects(completeEntry(store, 1, { status: 'Completed', finishedOn: FINISHED_ON }), MEND);
  });

  test(`${database.name}: a broken host table fails the heartbeat of a shard, however few hosts come`, async () => {
    await using farm = await openFarm(await database.place());
    await execute(farm, 'ALTER TABLE farm_host RENAME COLUMN locked TO was_locked');
    const told = new Told();
    const link = new ScriptedLink(() => ({ hosts: [{ ...host(1), labels: [], attributes: [], acl_groups: [] }] }));
    const shard = client(farm, link, told);
    assert.equal(await shard.doHeartbeat(), false);
    assert.equal(shard.failuresInARow, 1);
    assert.match(told.lines.join('\n'), /locked/);
  });

  test(`${database.name}: a host table that the master cannot write fails the heartbeat, and refuses no host`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_label: [{ id: 7, name: 'rack-4' }],
      farm_shard: [{ id: 4, hostname: 'shard4' }],
      farm_shard_label: [{ shard_id: 4, label_id: 7 }],
      farm_host: [host(1, { shard_id: 4 })],
      farm_host_label: [{ host_id: 1, label_id: 7 }],
    });
    const master = new ShardMaster(farm);
    const known = { ...packet, knownHosts: [{ id: 1, status: 'Running' }] };
    // A trigger that needs what is not there.
    if (database.kind === 'sqlite') {
      await execute(farm, 'CREATE TRIGGER broken AFTER UPDATE ON farm_host BEGIN DELETE FROM not_there; END');
    } else {
      await execute(
        farm,
        `CREATE FUNCTION broken() RETURNS trigger AS 'BEGIN DELETE FROM not_there; END' LANGUAGE plpgsql`,
      );
      await execute(farm, 'CREATE TRIGGER broken AFTER UPDATE ON farm_host EXECUTE FUNCTION broken()');
    }
    await assert.rejects(master.heartbeat('shard4', known), /not_there/);
    assert.equal((await rowsOf(farm, 'farm_host'))[0]?.status, 'Ready');
  });
}

const WRONG_PACKETS: readonly [string, unknown, RegExp][] = [
  ['nothing', undefined, /the packet must be object/],
  ['a text', 'packet', /the packet must be object/],
  ['no lists', { version: 1, shardHostname: 'shard4' }, /the packet/],
  ['a wrong id', { ...packet, knownJobIds: ['7'] }, /the packet's \/knownJobIds\/0/],
  ['a newer version', { ...packet, version: 2 }, /the version of the packet is 2, expected at most 1/],
];

test('a master whose heartbeat is called with an invalid packet says what is wrong, and changes nothing', async () => {
  await using farm = await openFarm({ memory: true });
  const master = new ShardMaster(farm);
  for (const [what, wrong, message] of WRONG_PACKETS) {
    await assert.rejects(master.heartbeat('shard4', wrong as HeartbeatPacket), { name: 'TypeError', message }, what);
    await assert.rejects(master.heartbeat('shard4', wrong as HeartbeatPacket), { code: 'ERR_INVALID_ARG' }, what);
  }
  await assert.rejects(master.heartbeat(undefined as never, packet), {
    code: 'ERR_INVALID_ARG',
    message: /shardHostname/,
  });
});

const WRONG_EXCHANGES: readonly [unknown, RegExp][] = [
  [undefined, /what the link's heartbeat resolved with is undefined, expected an object \{ reply, /],
  [emptyReply, /expected an object \{ reply, requestBytes, responseBytes \}/],
  [{ reply: emptyReply }, /requestBytes of what the link's heartbeat resolved with is undefined/],
  [{ reply: emptyReply, requestBytes: 1, responseBytes: '2' }, /responseBytes of .* is '2', expected the number/],
];

test('a link of one’s own that resolves with the wrong shape rejects the heartbeat with the shape that is right', async () => {
  await using farm = await openFarm({ memory: true });
  for (const [exchange, message] of WRONG_EXCHANGES) {
    const link = { heartbeat: () => Promise.resolve(exchange) } as MasterLink;
    await assert.rejects(client(farm, link).doHeartbeat(), { name: 'TypeError', code: 'ERR_INVALID_ARG', message });
  }
});

test('a link of one’s own that brings an invalid reply fails the heartbeat, and nothing is taken over', async () => {
  await using farm = await openFarm({ memory: true });
  for (const reply of [undefined, 'reply', { ...emptyReply, hosts: undefined }, { ...emptyReply, version: 99 }]) {
    const told = new Told();
    const link = { heartbeat: () => Promise.resolve({ reply, requestBytes: 1, responseBytes: 1 }) } as never;
    assert.equal(await client(farm, link, told).doHeartbeat(), false);
    assert.match(told.lines.join('\n'), /the link did not return a master's reply: the reply|a reply of version 99/);
  }
});

test('completeEntry refuses a Date with the way to make a moment of it', async () => {
  await using farm = await openFarm({ memory: true });
  await addRows(farm, { farm_job: [job(20)], farm_queue_entry: [entry(30, 20)] });
  const outcome = { status: 'Completed', finishedOn: new Date(FINISHED_ON) as never };
  await assert.rejects(completeEntry(farm, 30, outcome), {
    code: 'ERR_RECORD',
    message:
      /finished_on is 2026-01-31T13:00:00\.000Z, expected a time such as .*, as date\.toISOString\(\) returns it/,
  });
  assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), [entry(30, 20)]);
});
