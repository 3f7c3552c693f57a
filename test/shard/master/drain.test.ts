/** How a shard is emptied while it runs: its hosts are taken back as soon as nothing open is left on them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import Fastify from 'fastify';
import { completeEntry, HttpMasterLink, ShardClient, shardRoutes } from 'drone-task-queue/shard';
import { testDatabases } from '../../contract/store/databases.js';
import { leakCheck } from '../../support/leak-check.js';
import { type Farm as ShardStore, FINISHED_ON, openFarm, rowsOf } from '../farm.js';
import {
  addShards,
  COMPLETED,
  type Farm,
  heartbeat,
  hostOf,
  idsOf,
  jobOf,
  openMaster,
  shardOf,
  uploadOf,
} from './masters.js';

const databases = testDatabases();
leakCheck();

const work = { name: 'job', owner: 'ann', command: 'run it' };
const PACKET = { knownJobIds: [], knownHosts: [], busyHostIds: [] };

/** Two shards, and hosts of the first one that it knows. */
async function farmWith(farm: Farm, ...hostnames: string[]): Promise<{ id: number; status: string }[]> {
  await addShards(farm.master, { 'shard-a': 'rack-a', 'shard-b': 'rack-b' });
  const ids = await farm.master.createHosts(hostnames.map(hostname => ({ hostname, labels: ['rack-a'] })));
  await heartbeat(farm, 'shard-a');
  return ids.map(id => ({ id, status: 'Ready' }));
}

async function shardOfHost(farm: Farm, hostname: string): Promise<string | null> {
  return shardOf(farm, await hostOf(farm, hostname));
}

for (const database of databases.shared) {
  test(`${database.name}: an idle host without a label of its shard is taken back, and the shard can be removed`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    const knownHosts = await farmWith(farm, 'x', 'y');
    await master.removeLabelFromShard('shard-a', 'rack-a');
    await assert.rejects(master.removeShard('shard-a'), { code: 'ERR_IN_USE' });
    const reply = await heartbeat(farm, 'shard-a', { ...PACKET, knownHosts });
    assert.deepEqual(reply.incorrectHostIds, idsOf(knownHosts));
    assert.deepEqual([await shardOfHost(farm, 'x'), await shardOfHost(farm, 'y')], [null, null]);
    const id = await master.createJob({ ...work, entries: [{ host: 'x' }] });
    await master.removeShard('shard-a');
    await master.addLabelToShard('shard-b', 'rack-a');
    const other = await heartbeat(farm, 'shard-b');
    assert.deepEqual([idsOf(other.hosts), idsOf(other.jobs)], [idsOf(knownHosts), [id]]);
  });

  test(`${database.name}: one host is drained by its own labels, leased or not, and so is one that its shard never got`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    const [x] = await farmWith(farm, 'x', 'y', 'unheard');
    await master.leaseHost('x');
    await master.setHostLabels('x', []);
    await master.setHostLabels('unheard', []);
    const reply = await heartbeat(farm, 'shard-a', { ...PACKET, knownHosts: [x ?? { id: 0, status: '' }] });
    assert.deepEqual(reply.incorrectHostIds, [x?.id]);
    const shards = await Promise.all(['x', 'y', 'unheard'].map(hostname => shardOfHost(farm, hostname)));
    assert.deepEqual(shards, [null, 'shard-a', null]);
  });

  test(`${database.name}: a shard of an earlier version, which reports no busy hosts, keeps its hosts`, async () => {
    await using farm = await openMaster(await database.place());
    const knownHosts = await farmWith(farm, 'x');
    await farm.master.removeLabelFromShard('shard-a', 'rack-a');
    const reply = await heartbeat(farm, 'shard-a', { knownHosts });
    assert.deepEqual(reply.incorrectHostIds, []);
    assert.equal(await shardOfHost(farm, 'x'), 'shard-a');
  });

  test(`${database.name}: a host stays while an open entry names it, waits for its label, or runs on it`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    const knownHosts = await farmWith(farm, 'named', 'awaited', 'busy', 'idle');
    const [named, awaited, busy, idle] = idsOf(knownHosts);
    await master.createLabel('fast');
    await master.setHostLabels('awaited', ['rack-a', 'fast']);
    const ids = await master.createJobs([
      { ...work, entries: [{ host: 'named' }] },
      { ...work, labels: ['rack-a'], entries: [{ metaHost: 'fast' }] },
    ]);
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-a', { knownHosts })).jobs), ids);
    await master.removeLabelFromShard('shard-a', 'rack-a');
    const draining = { knownHosts, knownJobIds: ids, busyHostIds: [busy ?? 0] };
    assert.deepEqual((await heartbeat(farm, 'shard-a', draining)).incorrectHostIds, [idle]);
    const ended = { ...(await uploadOf(farm, ids[0] ?? 0)) };
    assert.deepEqual((await heartbeat(farm, 'shard-a', { ...draining, ...ended })).incorrectHostIds, [named, idle]);
    const last = await uploadOf(farm, ids[1] ?? 0, { ...COMPLETED, host_id: awaited ?? 0 });
    const reply = await heartbeat(farm, 'shard-a', { knownHosts, ...last, busyHostIds: [] });
    assert.deepEqual(reply.incorrectHostIds, idsOf(knownHosts));
    await master.removeShard('shard-a');
  });

  test(`${database.name}: a host that a job of its shard names stays, whatever label brought the job`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    const knownHosts = await farmWith(farm, 'x');
    await master.setHostLabels('x', []);
    const id = await master.createJob({ ...work, labels: ['rack-a'], entries: [{ host: 'x' }] });
    const reply = await heartbeat(farm, 'shard-a', { ...PACKET, knownHosts });
    assert.deepEqual([idsOf(reply.jobs), reply.incorrectHostIds], [[id], []]);
    assert.equal(await shardOfHost(farm, 'x'), 'shard-a');
  });
}

/** The shard's own scheduler chooses a host for the entry that waits for one. */
async function start(store: ShardStore, hostId: number): Promise<number> {
  const [entry] = await rowsOf(store, 'farm_queue_entry');
  assert.ok(entry !== undefined);
  await store.readWrite('start', tx =>
    tx.updateTable('farm_queue_entry').set({ host_id: hostId, active: 1 }).where('id', '=', entry.id).execute(),
  );
  return entry.id;
}

test('a running shard is drained over HTTP: it keeps the host that it works on until its job is uploaded', async () => {
  await using farm = await openMaster(await databases.sqliteFile.place());
  await using store = await openFarm(await databases.sqliteFile.place());
  const { master } = farm;
  const app = Fastify({ forceCloseConnections: true });
  await app.register(shardRoutes(master));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  try {
    await addShards(master, { 'shard-a': 'rack-a' });
    const [x, y] = await master.createHosts(['x', 'y'].map(hostname => ({ hostname, labels: ['rack-a'] })));
    const jobId = await master.createJob({ ...work, entries: [{ metaHost: 'rack-a' }] });
    await using link = new HttpMasterLink({ url, token: await master.createToken('shard-a') });
    await using client = new ShardClient(store, link, { shardHostname: 'shard-a' });
    const hostsHere = async (): Promise<number[]> => {
      const hosts = await rowsOf(store, 'farm_host');
      return hosts.filter(({ invalid }) => invalid === 0).map(({ id }) => id);
    };
    assert.equal(await client.doHeartbeat(), true);
    assert.deepEqual(await hostsHere(), [x, y]);
    const entryId = await start(store, x ?? 0);
    await master.setHostLabels('x', []);
    await master.setHostLabels('y', []);
    await master.removeLabelFromShard('shard-a', 'rack-a');
    assert.equal(await client.doHeartbeat(), true);
    assert.deepEqual(await hostsHere(), [x], 'the master knows from the shard alone which host runs the job');
    await completeEntry(store, entryId, { status: 'Completed', finishedOn: FINISHED_ON });
    assert.equal(await client.doHeartbeat(), true);
    assert.deepEqual(await hostsHere(), []);
    assert.equal((await jobOf(farm, jobId)).shard_id !== null, true, 'the outcome came with the same heartbeat');
    await master.removeShard('shard-a');
  } finally {
    await app.close();
  }
});
