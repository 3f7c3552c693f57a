/** One heartbeat of a shard: what it tells, what it settles, and what it takes over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeEntry, ShardClient, type ShardClientOptions, ShardMaster } from 'drone-task-queue/shard';
import { testDatabases } from '../contract/store/databases.js';
import { leakCheck } from '../support/leak-check.js';
import { addRows, entry, type Farm, FINISHED_ON, host, job, openFarm, rowsOf } from './farm.js';
import { Death, Life } from './model/life.js';
import { acknowledgeAll, idsOf, linkTo, ScriptedLink, Told } from './scripted-link.js';
import { emptyReply } from './fake-master.js';

const databases = testDatabases();
leakCheck();

const SHARD = { id: 4, hostname: 'shard4' };
const OWN = { shard_id: 4 };
const COMPLETED = { status: 'Completed', finished_on: FINISHED_ON, complete: 1 } as const;
const OUTCOME = { status: 'Completed', finishedOn: FINISHED_ON } as const;

function client(farm: Farm, link: ScriptedLink, options: Partial<ShardClientOptions> = {}): ShardClient {
  return new ShardClient(farm, link, { shardHostname: 'shard4', random: () => 0, ...options });
}

async function shardIds(farm: Farm): Promise<[id: number, shardId: number | null][]> {
  return (await rowsOf(farm, 'farm_job')).map(({ id, shard_id }) => [id, shard_id]);
}

for (const database of databases.shared) {
  test(`${database.name}: a packet has the jobs that are not complete, the hosts that are not invalid, and the finished jobs with all of their entries`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_host: [host(1, { status: 'Running' }), host(2, { invalid: 1 }), host(3)],
      farm_job: [job(10, OWN), job(11), job(12), job(13, OWN), job(14)],
      farm_queue_entry: [
        entry(100, 10),
        entry(101, 10),
        entry(110, 11, COMPLETED),
        entry(111, 11, { status: 'Running', active: 1 }),
        entry(120, 12, { status: 'Completed', finished_on: FINISHED_ON }),
        entry(130, 13, COMPLETED),
        entry(140, 14, COMPLETED),
      ],
    });
    const link = new ScriptedLink();
    assert.equal(await client(farm, link).doHeartbeat(), true);
    assert.deepEqual(link.packet, {
      version: 1,
      shardHostname: 'shard4',
      knownJobIds: [10, 11, 12, 14],
      knownHosts: [
        { id: 1, status: 'Running' },
        { id: 3, status: 'Ready' },
      ],
      busyHostIds: [],
      jobs: [job(11), job(14)],
      entries: [entry(110, 11, COMPLETED), entry(111, 11, { status: 'Running', active: 1 }), entry(140, 14, COMPLETED)],
    });
  });

  test(`${database.name}: uploads are settled when they are acknowledged, and only those that were sent`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_job: [job(10), job(11), job(12), job(13)],
      farm_queue_entry: [10, 11, 12].map(id => entry(id * 10, id, COMPLETED)),
    });
    const link = new ScriptedLink();
    const shard = client(farm, link, { maxUploadJobs: 2 });
    await shard.doHeartbeat();
    link.answer = () => ({ acknowledgedJobIds: [11, 12, 13, 99] });
    await shard.doHeartbeat();
    assert.deepEqual(await shardIds(farm), [
      [10, null],
      [11, null],
      [12, 4],
      [13, null],
    ]);
    link.answer = acknowledgeAll;
    await shard.doHeartbeat();
    await shard.doHeartbeat();
    assert.deepEqual(
      link.packets.map(packet => idsOf(packet.jobs)),
      [[10, 11], [12, 10], [11, 10], []],
    );
    for (const { jobs, entries } of link.packets) {
      assert.deepEqual(
        idsOf(entries),
        idsOf(jobs).map(id => id * 10),
        'those jobs’ entries and no others',
      );
    }
  });

  test(`${database.name}: what was acknowledged before the shard knows its own row is uploaded again`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, { farm_job: [job(10)], farm_queue_entry: [entry(100, 10, COMPLETED)] });
    const link = new ScriptedLink(acknowledgeAll);
    const shard = client(farm, link);
    for (let time = 0; time < 2; time++) await shard.doHeartbeat();
    assert.deepEqual(await shardIds(farm), [[10, null]]);
    await addRows(farm, { farm_shard: [SHARD] });
    for (let time = 0; time < 2; time++) await shard.doHeartbeat();
    assert.deepEqual(await shardIds(farm), [[10, 4]]);
    assert.deepEqual(
      link.packets.map(packet => idsOf(packet.jobs)),
      [[10], [10], [10], []],
    );
  });

  test(`${database.name}: a job that one reply acknowledges and sends again is uploaded again`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_job: [job(10)],
      farm_queue_entry: [entry(100, 10, COMPLETED)],
    });
    const link = new ScriptedLink(() => ({ acknowledgedJobIds: [10], jobs: [{ ...job(10, OWN), shard: SHARD }] }));
    const shard = client(farm, link);
    for (let time = 0; time < 2; time++) await shard.doHeartbeat();
    assert.deepEqual(idsOf(link.packet.jobs), [10]);
  });

  test(`${database.name}: what completes while an upload is on its way is uploaded by the next heartbeat`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_job: [job(10, OWN), job(11, OWN)],
      farm_queue_entry: [entry(100, 10), entry(101, 10), entry(110, 11, COMPLETED), entry(111, 11, OUTCOME_WRITTEN)],
    });
    await completeEntry(farm, 100, OUTCOME);
    await farm.readWrite('job to upload', tx => tx.updateTable('farm_job').set({ shard_id: null }).execute());
    const link = new ScriptedLink(async packet => {
      await completeEntry(farm, 101, OUTCOME);
      return acknowledgeAll(packet);
    });
    const shard = client(farm, link);
    await shard.doHeartbeat();
    assert.deepEqual(idsOf(link.packet.jobs), [10, 11]);
    // The last bit of one that stood between its first and its last one all the time.
    await farm.readWrite('entry complete', tx =>
      tx.updateTable('farm_queue_entry').set({ complete: 1 }).where('id', '=', 111).execute(),
    );
    link.answer = acknowledgeAll;
    await shard.doHeartbeat();
    // The second one is the first of the second upload.
    assert.deepEqual(link.packet.entries, [
      entry(110, 11, COMPLETED),
      entry(111, 11, COMPLETED),
      entry(100, 10, COMPLETED),
      entry(101, 10, COMPLETED),
    ]);
    await shard.doHeartbeat();
    assert.deepEqual(link.packet.jobs, []);
  });

  test(`${database.name}: a job that the master aborts while it completes here is uploaded as it has completed`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_job: [job(10, OWN)],
      farm_queue_entry: [entry(100, 10, { status: 'Running', active: 1 })],
    });
    const told = new Told();
    const aborted = { ...job(10, OWN), shard: SHARD, entries: [entry(100, 10, { aborted: 1 })] };
    const link = new ScriptedLink(async () => {
      await completeEntry(farm, 100, OUTCOME);
      return { jobs: [aborted] };
    });
    const shard = client(farm, link, { log: told.log });
    await shard.doHeartbeat();
    assert.deepEqual(link.packet.knownJobIds, [10]);
    link.answer = acknowledgeAll;
    await shard.doHeartbeat();
    assert.deepEqual(link.packet.jobs, [job(10)]);
    assert.deepEqual(link.packet.entries, [entry(100, 10, { ...COMPLETED, aborted: 1 })]);
    assert.deepEqual(told.lines, [], 'nothing that anybody had to be told of');
  });

  test(`${database.name}: an abort that comes for what is left of a job is not a reason to upload what has ended`, async () => {
    await using farm = await openFarm(await database.place());
    const running = { status: 'Running', active: 1 } as const;
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_job: [job(10, OWN)],
      farm_queue_entry: [entry(100, 10, COMPLETED), entry(101, 10, running)],
    });
    const told = new Told();
    const entries = [entry(100, 10, COMPLETED), entry(101, 10, { ...running, aborted: 1 })];
    const link = new ScriptedLink(() => ({ jobs: [{ ...job(10, OWN), shard: SHARD, entries }] }));
    const shard = client(farm, link, { log: told.log });
    for (let time = 0; time < 2; time++) await shard.doHeartbeat();
    assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), entries);
    assert.deepEqual([link.packet.jobs, told.lines], [[], []]);
    await completeEntry(farm, 101, { ...OUTCOME, status: 'Aborted' });
    await shard.doHeartbeat();
    assert.deepEqual(idsOf(link.packet.entries), [100, 101], 'all of it is reported when it ends');
  });

  test(`${database.name}: finished jobs that are not acknowledged take no new job's place`, async () => {
    await using farm = await openFarm(await database.place());
    await using above = await openFarm(await database.place());
    const master = new ShardMaster(above, { maxJobsPerReply: 1 });
    await master.createLabel('rack-1');
    await master.createShard({ hostname: 'shard4', labels: ['rack-1'] });
    const work = { name: 'a', owner: 'b', command: 'c', entries: [{ metaHost: 'rack-1' }] };
    const ids = await master.createJobs([work, work]);
    const shard = client(farm, linkTo(master), { maxUploadBytes: 1 });
    await shard.doHeartbeat();
    const [queued] = await rowsOf(farm, 'farm_queue_entry');
    await completeEntry(farm, queued?.id ?? 0, OUTCOME);
    await shard.doHeartbeat();
    assert.deepEqual(idsOf(await rowsOf(farm, 'farm_job')), ids);
  });

  test(`${database.name}: who has a job has the keyvals of its parent, whenever it dies`, async () => {
    await using farm = await openFarm(await database.place());
    let life: Life;
    for (let steps = 0; ; steps++) {
      life = new Life(steps, () => Promise.resolve());
      const [id, parent] = [100 + steps, 1000 + steps];
      const reply = {
        ...emptyReply,
        jobs: [{ ...job(id, { ...OWN, parent_job_id: parent }), shard: SHARD }],
        jobKeyvals: [{ id: 1, job_id: parent, key: 'build', value: 'R1' }],
      };
      const dying = new ShardClient(life.storeOf(farm), new ScriptedLink(), { shardHostname: 'shard4' });
      await dying.processHeartbeatResponse(reply).catch((error: unknown) => {
        if (!(error instanceof Death)) throw error;
      });
      const jobs = (await rowsOf(farm, 'farm_job')).map(row => row.parent_job_id);
      const keyvals = (await rowsOf(farm, 'farm_job_keyval')).map(row => row.job_id);
      for (const known of jobs) assert.ok(keyvals.includes(known ?? 0), `dead after ${String(steps)} steps`);
      if (!life.isOver) break;
    }
    assert.ok((await rowsOf(farm, 'farm_job')).length > 1);
  });

  test(`${database.name}: a record that is wrong is undone whole, told with its id, and costs no other`, async () => {
    await using farm = await openFarm(await database.place());
    const told = new Told();
    const whole = (id: number, rest: object): unknown => ({
      ...job(id, OWN),
      shard: SHARD,
      labels: [{ id, name: `label${String(id)}` }],
      entries: [entry(id * 10, id)],
      keyvals: [],
      ...rest,
    });
    const link = new ScriptedLink(() => ({
      hosts: [{ ...host(1), status: 7 }, 'no host', { ...host(2), labels: [], later: { newer: true } }],
      jobs: [
        whole(10, { entries: [entry(100, 10, { meta_host: 99 })] }),
        whole(11, { owner: null }),
        whole(12, {}),
        whole(13, { entries: [entry(120, 13)] }),
      ],
      jobKeyvals: [
        { id: 1, job_id: 5, key: 'a', value: 1 },
        { id: 1, job_id: 5, key: 'a', value: 'b' },
      ],
    }));
    assert.equal(await client(farm, link, { log: told.log, stats: told.stats }).doHeartbeat(), true);
    assert.deepEqual(await rowsOf(farm, 'farm_host'), [host(2)]);
    assert.deepEqual(await rowsOf(farm, 'farm_job'), [job(12, OWN)]);
    assert.deepEqual(await rowsOf(farm, 'farm_label'), [{ id: 12, name: 'label12' }]);
    assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), [entry(120, 12)]);
    assert.deepEqual(await rowsOf(farm, 'farm_job_keyval'), [{ id: 1, job_id: 5, key: 'a', value: 'b' }]);
    const wrong = ['host 1', 'a host without an id', 'job keyval 1', 'job 10', 'job 11', 'job 13'];
    assert.equal(told.lines.length, wrong.length);
    for (const [at, which] of wrong.entries()) {
      assert.ok(told.lines[at]?.startsWith(`error shard_client: ${which} was not imported: `), told.lines[at]);
    }
    assert.equal(told.counters.get('drone_task_queue.shard_client.deserialization_failures'), wrong.length);
  });

  test(`${database.name}: hosts that are not the shard's any more are marked, their links cleared, and unknown ones ignored`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_label: [{ id: 7, name: 'board:x' }],
      farm_shard: [SHARD],
      farm_acl_group: [{ id: 5, name: 'Everyone', description: '' }],
      farm_host: [host(1, OWN), host(2, OWN)],
      farm_host_label: [
        { host_id: 1, label_id: 7 },
        { host_id: 2, label_id: 7 },
      ],
      farm_acl_group_host: [{ acl_group_id: 5, host_id: 1 }],
    });
    const link = new ScriptedLink(() => ({ incorrectHostIds: [99, 1] }));
    const shard = client(farm, link);
    for (let time = 1; time <= 2; time++) {
      await shard.doHeartbeat();
      assert.deepEqual(await rowsOf(farm, 'farm_host'), [host(1, { invalid: 1 }), host(2, OWN)]);
      assert.deepEqual(await rowsOf(farm, 'farm_host_label'), [{ host_id: 2, label_id: 7 }]);
      assert.deepEqual(await rowsOf(farm, 'farm_acl_group_host'), []);
    }
    const news = { status: 'Repair Failed', locked: 1, ...OWN } as const;
    const labels = [{ id: 7, name: 'board:x' }];
    link.answer = () => ({ hosts: [1, 2].map(id => ({ ...host(id, news), shard: SHARD, labels })) });
    await shard.doHeartbeat();
    // What was another shard's meanwhile is as that one has left it.
    assert.deepEqual(await rowsOf(farm, 'farm_host'), [host(1, news), host(2, OWN)]);
  });

  test(`${database.name}: finished jobs that the master sends once more are uploaded once more, and a few of them are named`, async () => {
    await using farm = await openFarm(await database.place());
    const ids = Array.from({ length: 15 }, (_, at) => at + 10);
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_job: ids.map(id => job(id, OWN)),
      farm_queue_entry: ids.map(id => entry(id * 10, id, id === 24 ? {} : COMPLETED)),
    });
    const told = new Told();
    const link = new ScriptedLink(() => ({ jobs: ids.map(id => ({ ...job(id, OWN), shard: SHARD })) }));
    const shard = client(farm, link, { log: told.log });
    await shard.doHeartbeat();
    assert.deepEqual(told.lines, [
      'warn shard_client: the master has sent jobs that are finished here, which are uploaded again: ' +
        '10, 11, 12, 13, 14, 15, 16, 17, 18, 19 and 4 more',
    ]);
    link.answer = acknowledgeAll;
    await shard.doHeartbeat();
    assert.deepEqual(idsOf(link.packet.jobs), ids.slice(0, -1));
  });

  test(`${database.name}: a master and its shard: a job goes there, is completed, and is reported once`, async () => {
    await using farm = await openFarm(await database.place());
    await using above = await openFarm(await database.place());
    const master = new ShardMaster(above);
    await master.createLabel('rack-1');
    await master.createShard({ hostname: 'shard4', labels: ['rack-1'] });
    const hostId = await master.createHost({ hostname: 'device7', labels: ['rack-1'] });
    const jobId = await master.createJob({ name: 'a', owner: 'b', command: 'c', entries: [{ metaHost: 'rack-1' }] });
    const link = linkTo(master);
    const shard = client(farm, link);
    await shard.doHeartbeat();
    const [queued] = await rowsOf(farm, 'farm_queue_entry');
    assert.deepEqual([queued?.job_id, (await rowsOf(farm, 'farm_host'))[0]?.id], [jobId, hostId]);
    await completeEntry(farm, queued?.id ?? 0, OUTCOME);
    await shard.doHeartbeat();
    const [ended] = await master.listEntries(jobId);
    assert.deepEqual([ended?.status, ended?.complete, ended?.finished_on], ['Completed', 1, FINISHED_ON]);
    await shard.doHeartbeat();
    assert.deepEqual(
      link.packets.map(packet => idsOf(packet.jobs)),
      [[], [jobId], []],
    );
    assert.deepEqual(link.packet.knownHosts, [{ id: hostId, status: 'Ready' }]);
  });
}

/** As a process leaves it that was killed between the first and the last step of completeEntry. */
const OUTCOME_WRITTEN = { status: 'Completed', finished_on: FINISHED_ON } as const;
