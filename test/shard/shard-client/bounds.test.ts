/** The bounds of one heartbeat, and what refuses it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeartbeatError, type HeartbeatReply, ShardClient, type ShardClientOptions } from 'drone-task-queue/shard';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { addRows, entry, type Farm, FINISHED_ON, job, openFarm } from '../farm.js';
import { idsOf, ScriptedLink, Told } from '../scripted-link.js';

leakCheck();

const COMPLETED = { status: 'Completed', finished_on: FINISHED_ON, complete: 1 } as const;

function client(farm: Farm, link: ScriptedLink, options: Partial<ShardClientOptions> = {}): ShardClient {
  return new ShardClient(farm, link, { shardHostname: 'shard4', random: () => 0, ...options });
}

test('uploads are as many as fit, and a job that is larger alone keeps no other waiting', async () => {
  await using farm = await openFarm({ memory: true });
  const command = 'x'.repeat(1000);
  await addRows(farm, {
    farm_job: [job(10), job(11, { command: command.repeat(5) }), job(12, { command }), job(13, { command }), job(14)],
    farm_queue_entry: [10, 11, 12, 13, 14].map(id => entry(id * 10, id, COMPLETED)),
  });
  const told = new Told();
  const link = new ScriptedLink();
  const shard = client(farm, link, { maxUploadBytes: 3000, log: told.log });
  await shard.doHeartbeat();
  assert.deepEqual(idsOf(link.packet.jobs), [10, 12]);
  await shard.doHeartbeat();
  assert.deepEqual(idsOf(link.packet.jobs), [13, 14, 10]);
  await shard.doHeartbeat();
  assert.deepEqual(told.lines, [
    'warn shard_client: finished jobs that are larger than maxUploadBytes are not uploaded: 11',
  ]);
});

test('jobs that the master never acknowledges keep no other one waiting for ever', async () => {
  await using farm = await openFarm({ memory: true });
  const ids = [10, 11, 12, 13, 14];
  await addRows(farm, {
    farm_shard: [{ id: 4, hostname: 'shard4' }],
    farm_job: ids.map(id => job(id)),
    farm_queue_entry: ids.map(id => entry(id * 10, id, COMPLETED)),
  });
  const link = new ScriptedLink(packet => ({ acknowledgedJobIds: idsOf(packet.jobs).filter(id => id === 14) }));
  const few = client(farm, link, { maxUploadJobs: 2 });
  for (let time = 0; time < 4; time++) await few.doHeartbeat();
  const told = link.packets.map(packet => idsOf(packet.jobs));
  assert.deepEqual(told, [
    [10, 11],
    [12, 13],
    [14, 10],
    [11, 12],
  ]);
  const all = client(farm, link);
  for (let time = 0; time < 3; time++) await all.doHeartbeat();
  assert.deepEqual(
    link.packets.slice(4).map(packet => idsOf(packet.jobs)),
    [
      [10, 11, 12, 13],
      [11, 12, 13, 10],
      [12, 13, 10, 11],
    ],
    'a master that reads a packet only so far sees another beginning each time',
  );
});

test('of more finished jobs than a heartbeat uploads by itself a thousand go, with their entries and no others', async () => {
  await using farm = await openFarm({ memory: true });
  const ids = Array.from({ length: 1_001 }, (_, at) => at + 1);
  await addRows(farm, {
    farm_job: ids.map(id => job(id)),
    farm_queue_entry: ids.flatMap(id => [entry(id * 2, id, COMPLETED), entry(id * 2 + 1, id)]),
  });
  const link = new ScriptedLink();
  await client(farm, link).doHeartbeat();
  const { jobs, entries, knownJobIds } = link.packet;
  assert.deepEqual(idsOf(jobs), ids.slice(0, 1_000));
  assert.deepEqual(
    idsOf(entries),
    ids.slice(0, 1_000).flatMap(id => [id * 2, id * 2 + 1]),
  );
  assert.deepEqual(knownJobIds, ids, 'all are known, also those that wait');
});

test('programs that heartbeat once each tell of every finished job in the end, whatever is never acknowledged', async () => {
  await using farm = await openFarm({ memory: true });
  const ids = [10, 11, 12, 13, 14];
  await addRows(farm, {
    farm_job: ids.map(id => job(id)),
    farm_queue_entry: ids.map(id => entry(id * 10, id, COMPLETED)),
  });
  const told: number[][] = [];
  for (const roll of [0, 0.2, 0.5, 0.999]) {
    const link = new ScriptedLink();
    await client(farm, link, { maxUploadJobs: 2, random: () => roll }).doHeartbeat();
    told.push(idsOf(link.packet.jobs));
  }
  assert.deepEqual(told, [
    [10, 11],
    [11, 12],
    [12, 13],
    [14, 10],
  ]);
});

test('jobs that the master fails at keep no other one waiting for ever', async () => {
  await using farm = await openFarm({ memory: true });
  const ids = [10, 11, 12];
  await addRows(farm, {
    farm_job: ids.map(id => job(id)),
    farm_queue_entry: ids.map(id => entry(id * 10, id, COMPLETED)),
  });
  const link = new ScriptedLink(() => {
    throw new HeartbeatError('ERR_MASTER_HTTP', 'the master answered 500', { status: 500 });
  });
  const shard = client(farm, link, { maxUploadJobs: 1 });
  for (let time = 0; time < 4; time++) assert.equal(await shard.doHeartbeat(), false);
  assert.deepEqual(
    link.packets.map(packet => idsOf(packet.jobs)),
    [[10], [11], [12], [10]],
  );
});

test('records that cannot be taken over are told once, until they are others', async () => {
  await using farm = await openFarm({ memory: true });
  const told = new Told();
  const link = new ScriptedLink(() => ({ hosts: [{ id: 2 }, { id: 1 }] }));
  const shard = client(farm, link, { log: told.log });
  await shard.doHeartbeat();
  assert.equal(told.lines.length, 2);
  link.answer = () => ({ hosts: [{ id: 1 }, { id: 2 }] });
  await shard.doHeartbeat();
  assert.equal(told.lines.length, 2);
  link.answer = () => ({ hosts: [{ id: 1 }, { id: 3 }] });
  await shard.doHeartbeat();
  assert.equal(told.lines.length, 4);
});

test('a refusal of the master is reported once, until it is about other records', async () => {
  await using farm = await openFarm({ memory: true });
  const refused = Array.from({ length: 12 }, (_, at) => ({ record: 'entry' as const, id: at + 1, reason: 'why not' }));
  const told = new Told();
  const link = new ScriptedLink(() => ({ refused }));
  const shard = client(farm, link, { log: told.log });
  await shard.doHeartbeat();
  assert.equal(told.lines.length, 11);
  assert.equal(told.lines[0], 'warn shard_client: the master has refused entry 1: why not');
  assert.equal(told.lines[10], 'warn shard_client: the master has refused 2 more');
  await shard.doHeartbeat();
  link.answer = () => ({});
  await shard.doHeartbeat();
  assert.equal(told.lines.length, 11);
  link.answer = () => ({ refused: refused.slice(0, 1) });
  await shard.doHeartbeat();
  assert.equal(told.lines.length, 12);
});

test('two heartbeats at a time are refused, and the second may be tried when the first has ended', async () => {
  await using farm = await openFarm({ memory: true });
  const gate = new Gate();
  const link = new ScriptedLink(async (): Promise<Partial<HeartbeatReply>> => {
    await gate.wait();
    return {};
  });
  const shard = client(farm, link);
  const first = shard.doHeartbeat();
  await assert.rejects(shard.doHeartbeat(), { name: 'ShardClientError', code: 'ERR_HEARTBEAT_UNDER_WAY' });
  gate.open();
  assert.equal(await first, true);
  assert.equal(await shard.doHeartbeat(), true);
});

test('a heartbeat in a section that writes is refused before anything is sent', async () => {
  await using farm = await openFarm({ memory: true });
  const link = new ScriptedLink();
  const shard = client(farm, link);
  await assert.rejects(
    farm.readWrite('wait', () => shard.doHeartbeat()),
    { code: 'ERR_CONTEXT_SWITCH' },
  );
  assert.deepEqual(link.packets, []);
});

test('a heartbeat whose signal is aborted ends with the reason, and is not a failure', async () => {
  await using farm = await openFarm({ memory: true });
  const stop = new AbortController();
  const link = new ScriptedLink((_packet, signal) => {
    stop.abort(new Error('enough'));
    signal.throwIfAborted();
    return {};
  });
  const told = new Told();
  const shard = client(farm, link, { log: told.log });
  await assert.rejects(shard.doHeartbeat({ signal: stop.signal }), /enough/);
  assert.deepEqual([shard.failuresInARow, told.lines], [0, []]);
});

test('a client refuses wrong options, and says why', async () => {
  await using farm = await openFarm({ memory: true });
  const link = new ScriptedLink();
  const cases: [options: object, told: RegExp][] = [
    [{ shardHostname: undefined }, /^shardHostname is undefined, expected a hostname of 1 to 255 characters/],
    [{ shardHostname: '' }, /^shardHostname is '', expected a non-empty string/],
    [{ pauseMs: 0 }, /^pauseMs is 0, expected a number of milliseconds from 1/],
    [{ maxBackoffMs: Infinity }, /^maxBackoffMs is Infinity, expected a number of milliseconds/],
    [{ maxUploadJobs: 0.5 }, /^maxUploadJobs is 0.5, expected an integer/],
    [{ maxUploadBytes: '1' }, /^maxUploadBytes is '1', expected a whole number of bytes/],
    [{ lifetimeMs: 0 }, /^lifetimeMs is 0, expected a number of milliseconds above 0/],
    [{ onFatal: 'mail' }, /^onFatal is 'mail', expected a function/],
    [{ signals: ['SIGKILL'] }, /^signals is \[ 'SIGKILL' \]/],
    [{ pause: 1 }, /^unknown option 'pause' \(did you mean 'pauseMs'\?\), expected one of shardHostname, /],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => client(farm, link, options), { code: 'ERR_INVALID_ARG', message });
  }
  assert.throws(() => new ShardClient(farm, {} as never, { shardHostname: 'a' }), /^TypeError: link is \{\}/);
  assert.throws(() => new ShardClient({} as never, link, { shardHostname: 'a' }), /^TypeError: store is \{\}/);
});
