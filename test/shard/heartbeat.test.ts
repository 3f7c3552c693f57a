/**
 * What was said by shards and masters of earlier versions, as they said it: it must be understood for as long as any of
 * them may run. The files in `recorded/` are not changed when the code is; a new version gets files of its own.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type HeartbeatPacket, type HeartbeatReply, ShardClient, ShardMaster } from 'drone-task-queue/shard';
import { Value } from 'typebox/value';
import { HeartbeatPacketSchema, HeartbeatReplySchema } from '../../src/shard/wire/heartbeat.js';
import { testDatabases } from '../contract/store/databases.js';
import { leakCheck } from '../support/leak-check.js';
import { addRows, entry, FINISHED_ON, host, job, openFarm, overTheWire, rowsOf } from './farm.js';
import { ScriptedLink } from './scripted-link.js';

const databases = testDatabases();
leakCheck();

function recorded(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`./recorded/${name}.json`, import.meta.url), 'utf8'));
}

const SHARD = { id: 4, hostname: 'shard4.example.org' };

for (const database of databases.shared) {
  test(`${database.name}: a packet of version 1 is taken over by the master of today`, async () => {
    const packet = recorded('packet-v1') as HeartbeatPacket;
    assert.ok(Value.Check(HeartbeatPacketSchema, packet));
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_label: [{ id: 7, name: 'rack-4' }],
      farm_shard_label: [{ shard_id: 4, label_id: 7 }],
      farm_host: [host(11, { shard_id: 4 })],
      farm_host_label: [{ host_id: 11, label_id: 7 }],
      farm_job: [job(20, { shard_id: 4 }), job(21, { shard_id: 4 })],
      farm_queue_entry: [entry(30, 20, { host_id: 11 }), entry(31, 20, { host_id: 11 }), entry(32, 21)],
    });
    const reply = await new ShardMaster(farm).heartbeat(SHARD.hostname, packet);
    assert.deepEqual(
      [reply.version, reply.acknowledgedJobIds, reply.refused, reply.incorrectHostIds],
      [1, [20], [], [99]],
    );
    const times = { host_id: 11, started_on: '2026-01-31T12:30:00.000Z', finished_on: FINISHED_ON };
    assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), [
      entry(30, 20, { ...times, status: 'Completed', complete: 1, execution_subdir: '20-ann/11' }),
      entry(31, 20, { ...times, status: 'Failed', complete: 1, execution_subdir: '20-ann/11.1' }),
      entry(32, 21),
    ]);
    assert.deepEqual(await rowsOf(farm, 'farm_host'), [host(11, { shard_id: 4, status: 'Repair Failed' })]);
  });

  test(`${database.name}: a reply of version 1 is taken over by the shard of today, and so is one of a master with more to say`, async () => {
    const reply = recorded('reply-v1') as HeartbeatReply;
    assert.ok(Value.Check(HeartbeatReplySchema, reply));
    const { owner } = reply.jobs[0] as { readonly owner: string };
    const withMore = overTheWire(reply, (_field, value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value, later: ['news'] } : value,
    );
    assert.ok(Value.Check(HeartbeatReplySchema, withMore));
    for (const each of [reply, withMore]) {
      await using farm = await openFarm(await database.place());
      const shard = new ShardClient(farm, new ScriptedLink(), { shardHostname: SHARD.hostname });
      const { badRecords } = await shard.processHeartbeatResponse(each);
      assert.equal(badRecords, 0);
      assert.deepEqual(await rowsOf(farm, 'farm_shard'), [SHARD]);
      assert.deepEqual(await rowsOf(farm, 'farm_host'), [host(11, { shard_id: 4, locked: 1 })]);
      assert.deepEqual(await rowsOf(farm, 'farm_host_label'), [
        { host_id: 11, label_id: 7 },
        { host_id: 11, label_id: 8 },
      ]);
      assert.deepEqual(await rowsOf(farm, 'farm_host_attribute'), [
        { id: 1, host_id: 11, attribute: 'serial', value: 'ABC' },
      ]);
      assert.deepEqual(await rowsOf(farm, 'farm_user'), [{ id: 3, login: 'ann', access_level: 1 }]);
      assert.deepEqual(await rowsOf(farm, 'farm_acl_group_user'), [{ acl_group_id: 5, user_id: 3 }]);
      assert.deepEqual(await rowsOf(farm, 'farm_job'), [
        job(20, { owner, parent_job_id: 19, shard_id: 4, priority: 5 }),
      ]);
      assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), [
        entry(30, 20, { host_id: 11 }),
        entry(31, 20, { meta_host: 7, aborted: 1 }),
      ]);
      assert.deepEqual(await rowsOf(farm, 'farm_job_keyval'), [
        { id: 1, job_id: 19, key: 'suite', value: 'bvt' },
        { id: 2, job_id: 20, key: 'build', value: 'R1' },
      ]);
    }
  });
}
