/** What a master tells of the heartbeats that it answers. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { ShardMaster } from 'drone-task-queue/shard';
import { leakCheck } from '../../support/leak-check.js';
import { Told } from '../scripted-link.js';
import { addShards, heartbeat, openMaster, packetOf, uploadOf } from './masters.js';

leakCheck();

const work = { owner: 'ann', command: 'run it' };

test('a master counts heartbeats, what they upload and what it sends, and those that fail by their codes', async () => {
  const told = new Told();
  await using farm = await openMaster({ memory: true }, { name: 'one', stats: told.stats });
  const { master } = farm;
  await addShards(master, { 'shard-a': 'rack-a', 'shard-b': 'rack-b' });
  await master.createHosts(['a1', 'a2'].map(hostname => ({ hostname, labels: ['rack-a'] })));
  const parentJobId = await master.createJob({ ...work, name: 'parent', keyvals: { build: 'R1' }, entries: [{}] });
  const job = (label: string): object => ({ ...work, name: 'a job', parentJobId, entries: [{ metaHost: label }] });
  const ids = await master.createJobs([job('rack-a'), job('rack-b'), job('rack-b')] as never);
  await heartbeat(farm, 'shard-a');
  const [own, others] = [await uploadOf(farm, ids[0] ?? 0), await uploadOf(farm, ids[1] ?? 0)];
  const waiting = await uploadOf(farm, parentJobId);
  await heartbeat(farm, 'shard-a', {
    jobs: [...own.jobs, ...others.jobs, ...waiting.jobs, { id: 0 }],
    entries: [...own.entries, ...others.entries, ...waiting.entries, 'no entry'],
  });
  await assert.rejects(master.heartbeat('shard-c', packetOf('shard-c')), { code: 'ERR_UNKNOWN_SHARD' });
  await assert.rejects(master.heartbeat('shard-a', packetOf('shard-b')), { code: 'ERR_OTHER_SHARD' });
  const counted = [...told.counters].map(([name, count]) => [name.replace('drone_task_queue.one.', ''), count]);
  assert.deepEqual(Object.fromEntries(counted), {
    heartbeats: 4,
    hosts_sent: 4,
    jobs_sent: 1,
    job_keyvals_sent: 1,
    uploads_acknowledged: 1,
    uploads_ignored: 2,
    records_refused: 2,
    'heartbeat_failures.ERR_UNKNOWN_SHARD': 1,
    'heartbeat_failures.ERR_OTHER_SHARD': 1,
  });
  assert.deepEqual([...told.timings], ['drone_task_queue.one.heartbeat']);
});

test('a master that is closed has sent its metrics to the server that it was told of', async () => {
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  const heard = once(server, 'message') as Promise<[Buffer]>;
  await using farm = await openMaster({ memory: true });
  await addShards(farm.master, { 'shard-a': 'rack-a' });
  {
    await using master = new ShardMaster(farm.store, { stats: { host: '127.0.0.1', port: server.address().port } });
    await heartbeat({ master }, 'shard-a');
  }
  const [message] = await heard;
  assert.match(message.toString(), /^drone_task_queue\.shard_master\.heartbeats:1\|c/);
  server.close();
});
