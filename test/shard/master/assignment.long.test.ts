/** Which hosts and jobs a shard is handed, and which not. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'node:test';
import { Store } from 'drone-task-queue/store';
import { type FarmTables, ShardMaster } from 'drone-task-queue/shard';
import { Gate } from 'drone-task-queue/testing';
import { Client } from 'pg';
import { testDatabases } from '../../contract/store/databases.js';
import { Dice } from '../../soak/dice.js';
import { leakCheck } from '../../support/leak-check.js';
import {
  addShards,
  COMPLETED,
  entriesOf,
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

const POLL_MS = 10;
const PATIENCE_MS = 20_000;

const work = { owner: 'ann', command: 'run it' };

async function twoShards(farm: Farm): Promise<void> {
  await addShards(farm.master, { 'shard-a': 'rack-a', 'shard-b': 'rack-b' });
}

async function known(farm: Farm, ...hostnames: string[]): Promise<{ knownHosts: { id: number; status: string }[] }> {
  const rows = await Promise.all(hostnames.map(hostname => hostOf(farm, hostname)));
  return { knownHosts: rows.map(({ id }) => ({ id, status: 'Ready' })) };
}

/** What another scheduler or program writes into the farm. */
async function setEntries(farm: Farm, jobId: number, news: Parameters<typeof entriesOf>[2] = {}): Promise<void> {
  await farm.store.readWrite('set entries', tx =>
    tx.updateTable('farm_queue_entry').set(news).where('job_id', '=', jobId).execute(),
  );
}

interface Meanwhile {
  readonly what: string;
  readonly take: (master: ShardMaster<FarmTables>) => Promise<unknown>;
  /** The job that names the host. */
  readonly jobGoesTo: string | null;
}

const MEANWHILE: readonly Meanwhile[] = [
  {
    what: 'label is taken from the shard',
    take: master => master.removeLabelFromShard('shard-a', 'rack-a'),
    jobGoesTo: null,
  },
  { what: 'label is taken from it', take: master => master.setHostLabels('a1', []), jobGoesTo: null },
  { what: 'lease is taken', take: master => master.leaseHost('a1'), jobGoesTo: 'shard-a' },
];

for (const database of databases.shared) {
  test(`${database.name}: a shard is handed the hosts that carry its label, whole, and not those that it knows`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    await master.createLabel('fast');
    await master.createUser({ login: 'ann', accessLevel: 1 });
    await master.createAclGroup({ name: 'everyone', users: ['ann'] });
    const id = await master.createHost({
      hostname: 'a1',
      labels: ['rack-a', 'fast'],
      attributes: { serial: '17' },
      aclGroups: ['everyone'],
    });
    await master.createHosts([{ hostname: 'b1', labels: ['rack-b'] }, { hostname: 'nowhere' }]);
    const reply = await heartbeat(farm, 'shard-a');
    assert.deepEqual(idsOf(reply.hosts), [id]);
    const [host] = reply.hosts as Record<string, unknown>[];
    assert.equal(host?.hostname, 'a1');
    assert.deepEqual(
      (host.labels as { name: string }[]).map(({ name }) => name),
      ['rack-a', 'fast'],
    );
    assert.equal((host.attributes as { value: string }[])[0]?.value, '17');
    assert.equal((host.acl_groups as { users: { login: string }[] }[])[0]?.users[0]?.login, 'ann');
    assert.equal((host.shard as { hostname: string }).hostname, 'shard-a');
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-a')).hosts), [id], 'its reply may have been lost');
    const again = await heartbeat(farm, 'shard-a', await known(farm, 'a1'));
    assert.deepEqual([again.hosts, again.incorrectHostIds], [[], []]);
  });

  test(`${database.name}: a host that is leased goes nowhere until it is released, and one that was removed never`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    const [leased, removed] = await master.createHosts([
      { hostname: 'a1', labels: ['rack-a'] },
      { hostname: 'a2', labels: ['rack-a'] },
    ]);
    assert.equal(await master.leaseHost('a1'), true);
    assert.equal(await master.leaseHost('a1'), false, 'it is another shard’s');
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-a')).hosts), [removed]);
    const told = await known(farm, 'a2');
    await master.removeHost('a2');
    const reply = await heartbeat(farm, 'shard-a', told);
    assert.deepEqual([reply.hosts, reply.incorrectHostIds], [[], [removed]]);
    assert.equal((await hostOf(farm, 'a2')).invalid, 1);
    assert.equal(await master.releaseHost('a1'), true);
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-a')).hosts), [leased]);
  });

  test(`${database.name}: a host whose label moves goes to the other shard, and the one that knows it gets word`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    const id = await master.createHost({ hostname: 'x', labels: ['rack-a'] });
    await heartbeat(farm, 'shard-a');
    const told = await known(farm, 'x');
    await master.removeLabelFromShard('shard-a', 'rack-a');
    await master.addLabelToShard('shard-b', 'rack-a');
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-b')).hosts), [id]);
    assert.equal(await shardOf(farm, await hostOf(farm, 'x')), 'shard-b');
    const reply = await heartbeat(farm, 'shard-a', { knownHosts: [...told.knownHosts, { id: 4711, status: 'Ready' }] });
    assert.deepEqual(reply.incorrectHostIds, [id, 4711], 'another’s, and an unknown one');
  });

  test(`${database.name}: a host with labels of two shards stays with the one that has it, and so do jobs that name it`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    const id = await master.createHost({ hostname: 'x', labels: ['rack-a', 'rack-b'] });
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-a')).hosts), [id]);
    const jobId = await master.createJob({ ...work, name: 'job', entries: [{ host: 'x' }] });
    const other = await heartbeat(farm, 'shard-b');
    assert.deepEqual([other.hosts, other.jobs], [[], []]);
    const told = await known(farm, 'x');
    const reply = await heartbeat(farm, 'shard-a', told);
    assert.deepEqual([reply.incorrectHostIds, idsOf(reply.jobs)], [[], [jobId]]);
    await master.setHostLabels('x', ['rack-b']);
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-b')).hosts), [id], 'nothing holds it where it was');
    assert.deepEqual((await heartbeat(farm, 'shard-a', told)).incorrectHostIds, [id]);
  });

  test(`${database.name}: a host’s status is saved when it changes and the host is the shard’s`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    const [a, b] = await master.createHosts([
      { hostname: 'a1', labels: ['rack-a'] },
      { hostname: 'b1', labels: ['rack-b'] },
    ]);
    await heartbeat(farm, 'shard-a');
    await heartbeat(farm, 'shard-b');
    const reply = await heartbeat(farm, 'shard-a', {
      knownHosts: [
        { id: 4711, status: 'Running' },
        { id: b ?? 0, status: 'Running' },
        { id: a ?? 0, status: 'Running' },
      ],
    });
    assert.deepEqual(reply.incorrectHostIds, [4711, b]);
    assert.equal((await hostOf(farm, 'a1')).status, 'Running');
    assert.equal((await hostOf(farm, 'b1')).status, 'Ready');
    const unfit = await heartbeat(farm, 'shard-a', { knownHosts: [{ id: a ?? 0, status: 'a\0b' }] });
    assert.deepEqual(
      unfit.refused.map(({ record, id }) => [record, id]),
      [['host', a]],
    );
    assert.equal((await hostOf(farm, 'a1')).status, 'Running', 'the next shard could not take it');
  });

  test(`${database.name}: a job goes to the shard of its label, of its meta host’s, or of its host’s, and without a host nowhere`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    await master.createLabel('fast');
    await master.createHost({ hostname: 'a1', labels: ['rack-a'] });
    const ids = await master.createJobs([
      { ...work, name: 'by label', labels: ['rack-a'], entries: [{ metaHost: 'fast' }] },
      { ...work, name: 'by meta host', entries: [{ metaHost: 'rack-a' }] },
      { ...work, name: 'by host', entries: [{ host: 'a1' }] },
      { ...work, name: 'without a host', entries: [{}] },
      { ...work, name: 'of the other shard', entries: [{ metaHost: 'rack-b' }] },
      { ...work, name: 'of no shard', entries: [{ metaHost: 'fast' }] },
    ]);
    const reply = await heartbeat(farm, 'shard-a');
    assert.deepEqual(idsOf(reply.jobs), ids.slice(0, 3));
    const shards = await Promise.all(ids.map(async id => shardOf(farm, await jobOf(farm, id))));
    assert.deepEqual(shards, ['shard-a', 'shard-a', 'shard-a', null, null, null]);
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-a', { knownJobIds: ids.slice(0, 2) })).jobs), [ids[2]]);
  });

  test(`${database.name}: a job stays its shard’s, and comes again until that knows it, whatever becomes of the label`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    const id = await master.createJob({ ...work, name: 'job', entries: [{ metaHost: 'rack-a' }] });
    await heartbeat(farm, 'shard-a');
    await master.removeLabelFromShard('shard-a', 'rack-a');
    await master.addLabelToShard('shard-b', 'rack-a');
    assert.deepEqual((await heartbeat(farm, 'shard-b')).jobs, [], 'the other may run it');
    assert.deepEqual(idsOf((await heartbeat(farm, 'shard-a')).jobs), [id]);
    assert.deepEqual((await heartbeat(farm, 'shard-a', { knownJobIds: [id] })).jobs, []);
  });

  const UNFIT = [
    ['active', { active: 1 }],
    ['complete', { complete: 1 }],
  ] as const;

  for (const [what, news] of UNFIT) {
    test(`${database.name}: a job of which an entry is ${what} is not handed out`, async () => {
      await using farm = await openMaster(await database.place());
      const { master, store } = farm;
      await twoShards(farm);
      const id = await master.createJob({
        ...work,
        name: 'job',
        entries: [{ metaHost: 'rack-a' }, { metaHost: 'rack-a' }],
      });
      const [first] = await master.listEntries(id);
      await store.readWrite('set entry', tx =>
        tx
          .updateTable('farm_queue_entry')
          .set(news)
          .where('id', '=', first?.id ?? 0)
          .execute(),
      );
      assert.deepEqual((await heartbeat(farm, 'shard-a')).jobs, []);
      assert.equal((await jobOf(farm, id)).shard_id, null);
    });
  }

  test(`${database.name}: a known job is sent again while it is to be aborted and not complete, unless a part of it is not`, async () => {
    await using farm = await openMaster(await database.place());
    const { master, store } = farm;
    await twoShards(farm);
    const id = await master.createJob({
      ...work,
      name: 'job',
      entries: [{ metaHost: 'rack-a' }, { metaHost: 'rack-a' }],
    });
    const told = { knownJobIds: [id] };
    await heartbeat(farm, 'shard-a');
    assert.deepEqual((await heartbeat(farm, 'shard-a', told)).jobs, []);
    assert.equal(await master.abortJob(id), 2);
    for (let time = 0; time < 2; time++) {
      const reply = await heartbeat(farm, 'shard-a', told);
      assert.deepEqual(idsOf(reply.jobs), [id]);
      const [job] = reply.jobs as { entries: { aborted: number }[] }[];
      assert.deepEqual(
        job?.entries.map(({ aborted }) => aborted),
        [1, 1],
      );
    }
    const [first] = await master.listEntries(id);
    await store.readWrite('set entry', tx =>
      tx
        .updateTable('farm_queue_entry')
        .set({ aborted: 0 })
        .where('id', '=', first?.id ?? 0)
        .execute(),
    );
    assert.deepEqual((await heartbeat(farm, 'shard-a', told)).jobs, []);
    await setEntries(farm, id, { ...COMPLETED, aborted: 1 });
    assert.deepEqual((await heartbeat(farm, 'shard-a', told)).jobs, []);
  });

  test(`${database.name}: an abort reaches the shard that runs what is left of a job`, async () => {
    await using farm = await openMaster(await database.place());
    const { master, store } = farm;
    await twoShards(farm);
    const entries = [{ metaHost: 'rack-a' }, { metaHost: 'rack-a' }, { metaHost: 'rack-a' }];
    const id = await master.createJob({ ...work, name: 'job', entries });
    await heartbeat(farm, 'shard-a');
    const upload = await uploadOf(farm, id, { status: 'Running', active: 1 });
    const [first, ...others] = upload.entries as object[];
    const told = { knownJobIds: [id] };
    await heartbeat(farm, 'shard-a', { ...told, ...upload, entries: [{ ...first, ...COMPLETED }, ...others] });
    assert.equal(await master.abortJob(id), 2);
    for (let time = 0; time < 2; time++) {
      const reply = await heartbeat(farm, 'shard-a', told);
      const [job] = reply.jobs as { entries: { aborted: number }[] }[];
      assert.deepEqual(
        job?.entries.map(({ aborted }) => aborted),
        [0, 1, 1],
      );
    }
    assert.deepEqual((await heartbeat(farm, 'shard-a')).jobs, [], 'who does not know it is handed no part of it');
    await store.readWrite('end', tx => tx.updateTable('farm_queue_entry').set({ complete: 1 }).execute());
    assert.deepEqual((await heartbeat(farm, 'shard-a', told)).jobs, []);
  });

  test(`${database.name}: a job that was not handed out is aborted at once, and then not handed out`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    const id = await master.createJob({ ...work, name: 'job', entries: [{ metaHost: 'rack-a' }] });
    assert.equal(await master.abortJob(id), 1);
    assert.equal(await master.abortJob(id), 0);
    const [entry] = await master.listEntries(id);
    assert.deepEqual([entry?.status, entry?.complete, entry?.aborted], ['Aborted', 1, 1]);
    assert.deepEqual((await heartbeat(farm, 'shard-a')).jobs, []);
    assert.deepEqual(await master.listJobs({ complete: false }), []);
    assert.deepEqual(idsOf(await master.listJobs({ complete: true, owner: 'ann' })), [id]);
  });

  test(`${database.name}: a reply has so many hosts and jobs at most, urgent jobs first, and the rest has no shard yet`, async () => {
    await using farm = await openMaster(await database.place(), {
      maxJobsPerReply: 2,
      maxHostsPerReply: 1,
      random: () => 0,
    });
    const { master } = farm;
    await twoShards(farm);
    const hostIds = await master.createHosts(['a1', 'a2'].map(hostname => ({ hostname, labels: ['rack-a'] })));
    const job = { ...work, entries: [{ metaHost: 'rack-a' }] };
    const [low, early, urgent] = await master.createJobs([
      { ...job, name: 'low', priority: -1 },
      { ...job, name: 'early' },
      { ...job, name: 'urgent', priority: 1 },
    ]);
    const first = await heartbeat(farm, 'shard-a');
    assert.deepEqual(idsOf(first.hosts), hostIds.slice(0, 1));
    assert.deepEqual(idsOf(first.jobs), [early, urgent]);
    assert.equal((await jobOf(farm, low ?? 0)).shard_id, null);
    const second = await heartbeat(farm, 'shard-a', {
      ...(await known(farm, 'a1')),
      knownJobIds: [early ?? 0, urgent ?? 0],
    });
    assert.deepEqual(idsOf(second.hosts), hostIds.slice(1));
    assert.deepEqual(idsOf(second.jobs), [low]);
  });

  test(`${database.name}: of many jobs that are to be aborted each has its turn, whatever the others do`, async () => {
    let turn = 0;
    await using farm = await openMaster(await database.place(), { maxJobsPerReply: 2, random: () => turn });
    const { master } = farm;
    await twoShards(farm);
    const job = { ...work, name: 'job', entries: [{ metaHost: 'rack-a' }] };
    const ids = await master.createJobs([job, job, job, job]);
    await heartbeat(farm, 'shard-a');
    await heartbeat(farm, 'shard-a', { knownJobIds: ids.slice(0, 2) });
    for (const id of ids) await master.abortJob(id);
    const sent: number[][] = [];
    for (turn of [0, 0.5, 0.9]) sent.push(idsOf((await heartbeat(farm, 'shard-a', { knownJobIds: ids })).jobs));
    const [one, two, three, four] = ids;
    assert.deepEqual(sent, [
      [one, two],
      [three, four],
      [one, four],
    ]);
  });

  test(`${database.name}: what a shard never takes over keeps nothing else waiting for ever`, async () => {
    let random = (): number => 0;
    await using farm = await openMaster(await database.place(), {
      maxJobsPerReply: 1,
      maxHostsPerReply: 1,
      random: () => random(),
    });
    const { master } = farm;
    await twoShards(farm);
    const hosts = await master.createHosts(['a1', 'a2', 'a3'].map(hostname => ({ hostname, labels: ['rack-a'] })));
    const job = { ...work, entries: [{ metaHost: 'rack-a' }] };
    const [urgent = 0, ...others] = await master.createJobs([
      { ...job, name: 'urgent', priority: 1 },
      { ...job, name: 'other' },
      { ...job, name: 'last' },
    ]);
    const aborted = await master.createJobs(Array.from({ length: 3 }, () => ({ ...job, name: 'stuck', priority: 2 })));
    for (const id of aborted) {
      await heartbeat(farm, 'shard-a', { knownJobIds: aborted.filter(known => known < id) });
      await master.abortJob(id);
    }
    const dice = new Dice(6);
    random = () => dice.next();
    const seen = { hosts: new Set<number>(), jobs: new Map<number, number>() };
    let heartbeats = 0;
    for (; seen.hosts.size + seen.jobs.size < 9 && heartbeats < 300; heartbeats++) {
      const reply = await heartbeat(farm, 'shard-a', { knownJobIds: aborted });
      for (const id of idsOf(reply.hosts)) seen.hosts.add(id);
      for (const id of idsOf(reply.jobs)) seen.jobs.set(id, (seen.jobs.get(id) ?? 0) + 1);
    }
    assert.deepEqual([...seen.hosts].sort(), hosts);
    assert.deepEqual([...seen.jobs.keys()].sort(), [urgent, ...others, ...aborted]);
    assert.ok((seen.jobs.get(urgent) ?? 0) > heartbeats / 2, 'the most urgent one comes first all the same');
  });

  test(`${database.name}: a reply is as large as it may be, and what does not fit comes later`, async () => {
    const lines: string[] = [];
    const silent = (): void => undefined;
    const log = { debug: silent, info: silent, warn: (line: string) => lines.push(line), error: silent };
    await using farm = await openMaster(await database.place(), { maxReplyBytes: 4_000, log, random: () => 0 });
    const { master } = farm;
    await twoShards(farm);
    const value = 'x'.repeat(1_000);
    const hosts = await master.createHosts(
      ['a1', 'a2', 'a3', 'a4'].map(hostname => ({ hostname, labels: ['rack-a'], attributes: { value } })),
    );
    const parent = await master.createJob({ ...work, name: 'suite', keyvals: { value }, entries: [{}] });
    const job = { ...work, entries: [{ metaHost: 'rack-a' }] };
    const jobs = await master.createJobs([
      { ...job, name: 'a', keyvals: { value } },
      { ...job, name: 'b', keyvals: { value }, parentJobId: parent },
      { ...job, name: 'c', parentJobId: parent, priority: -1 },
    ]);
    const large = await master.createJob({ ...job, name: 'large', keyvals: { value: value.repeat(4) } });
    const known = { hosts: new Set<number>(), jobs: new Set<number>() };
    for (let time = 0; time < 8; time++) {
      const reply = await heartbeat(farm, 'shard-a', {
        knownHosts: [...known.hosts].map(id => ({ id, status: 'Ready' })),
        knownJobIds: [...known.jobs],
      });
      const { hosts: newHosts, jobs: newJobs, jobKeyvals } = reply;
      assert.ok(JSON.stringify([newHosts, newJobs, jobKeyvals]).length < 4_100);
      if (time === 0) assert.deepEqual([newHosts.length > 0, newHosts.length < 4], [true, true]);
      for (const id of idsOf(newHosts)) known.hosts.add(id);
      for (const id of idsOf(newJobs)) known.jobs.add(id);
      const isWithParent = newJobs.some(record => (record as { parent_job_id: unknown }).parent_job_id === parent);
      assert.equal(jobKeyvals.length, isWithParent ? 1 : 0, 'a job comes with the keyvals of its parent');
    }
    assert.deepEqual([...known.hosts].sort(), hosts);
    assert.deepEqual([...known.jobs].sort(), jobs);
    assert.deepEqual(lines, [`shard_master: shard-a: larger than maxReplyBytes, and not sent: job ${String(large)}`]);
  });

  test(`${database.name}: with a job come the keyvals of its parent`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    const parentJobId = await master.createJob({ ...work, name: 'suite', keyvals: { build: '7' }, entries: [{}] });
    const part = { ...work, parentJobId, entries: [{ metaHost: 'rack-a' }] };
    await master.createJobs([
      { ...part, name: 'one', keyvals: { own: 'yes' } },
      { ...part, name: 'two' },
    ]);
    const reply = await heartbeat(farm, 'shard-a');
    assert.equal(reply.jobs.length, 2);
    const told = (reply.jobKeyvals as { job_id: number; key: string; value: string }[]).map(
      ({ job_id, key, value }) => [job_id, key, value],
    );
    assert.deepEqual(told, [[parentJobId, 'build', '7']]);
  });

  test(`${database.name}: what a shard uploads is taken over before it is asked what it needs`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await twoShards(farm);
    const id = await master.createJob({ ...work, name: 'job', entries: [{ metaHost: 'rack-a' }] });
    await heartbeat(farm, 'shard-a');
    const reply = await heartbeat(farm, 'shard-a', await uploadOf(farm, id));
    assert.deepEqual(reply.acknowledgedJobIds, [id]);
    assert.deepEqual(reply.jobs, [], 'it has ended');
  });

  for (const { what, take, jobGoesTo } of MEANWHILE) {
    test(`${database.name}: a host whose ${what} meanwhile, by another process, is not assigned`, async () => {
      const place = await database.place();
      await using farm = await openMaster(place);
      const { master } = farm;
      await twoShards(farm);
      await master.createHost({ hostname: 'a1', labels: ['rack-a'] });
      const id = await master.createJob({ ...work, name: 'job', entries: [{ host: 'a1' }] });
      await using others = await Store.open<FarmTables>(place);
      const atEnd = new Gate();
      const taking = take(new ShardMaster(heldAtItsEnd(others, atEnd)));
      await atEnd.arrived();
      const replying = heartbeat(farm, 'shard-a');
      // On PostgreSQL it has read what was so before, and waits for the row.
      if ('url' in place && place.url !== undefined) await someoneWaits(place.url);
      atEnd.open();
      await taking;
      const reply = await replying;
      assert.deepEqual([idsOf(reply.hosts), idsOf(reply.jobs)], [[], jobGoesTo === null ? [] : [id]]);
      assert.equal((await hostOf(farm, 'a1')).shard_id, null);
      assert.equal(await shardOf(farm, await jobOf(farm, id)), jobGoesTo);
    });
  }
}

/** The same store, of which no section that writes ends before the gate is opened. */
function heldAtItsEnd(store: Store<FarmTables>, gate: Gate): Store<FarmTables> {
  const readWrite: Store<FarmTables>['readWrite'] = (why, section, options) =>
    store.readWrite(
      why,
      async tx => {
        const value = await section(tx);
        await gate.wait();
        return value;
      },
      options,
    );
  return new Proxy(store, {
    get: (target, name): unknown => (name === 'readWrite' ? readWrite : Reflect.get(target, name)),
  });
}

/** Resolves when a transaction waits for a row of another one. */
async function someoneWaits(url: string): Promise<void> {
  const client = new Client(url);
  await client.connect();
  try {
    for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += POLL_MS) {
      const { rowCount } = await client.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      if ((rowCount ?? 0) > 0) return;
      await delay(POLL_MS);
    }
    throw new Error('no session waits for a row');
  } finally {
    await client.end();
  }
}
