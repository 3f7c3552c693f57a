/** What a master takes over of what shards tell it, and what it acknowledges. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { testDatabases } from '../../contract/store/databases.js';
import { leakCheck } from '../../leak-check.js';
import {
  addShards,
  COMPLETED,
  entriesOf,
  type Farm,
  heartbeat,
  jobOf,
  openMaster,
  shardOf,
  uploadOf,
} from './masters.js';

const databases = testDatabases();
leakCheck();

const work = { owner: 'ann', command: 'run it' };

/** A farm of two shards, whose first one has been handed jobs with so many entries each. */
async function farmWithJobs(farm: Farm, ...entries: number[]): Promise<number[]> {
  const { master } = farm;
  await addShards(master, { 'shard-a': 'rack-a', 'shard-b': 'rack-b' });
  const jobs = entries.map((count, at) => ({
    ...work,
    name: `job ${String(at)}`,
    entries: Array.from({ length: count }, () => ({ metaHost: 'rack-a' })),
  }));
  const ids = await master.createJobs(jobs);
  await heartbeat(farm, 'shard-a');
  return ids;
}

async function statuses(farm: Farm, jobId: number): Promise<string[]> {
  return (await farm.master.listEntries(jobId)).map(({ status }) => status);
}

for (const database of databases.shared) {
  test(`${database.name}: a finished job is persisted with its entries, acknowledged, and the same again changes nothing`, async () => {
    await using farm = await openMaster(await database.place());
    const [id = 0] = await farmWithJobs(farm, 2);
    const upload = await uploadOf(farm, id, { ...COMPLETED, host_id: 7, execution_subdir: 'results/1' });
    for (let time = 0; time < 2; time++) {
      const reply = await heartbeat(farm, 'shard-a', upload);
      assert.deepEqual([reply.acknowledgedJobIds, reply.refused], [[id], []]);
      assert.deepEqual(await entriesOf(farm, id), upload.entries);
    }
    assert.equal(await shardOf(farm, await jobOf(farm, id)), 'shard-a', 'which shard it is of is the master’s');
  });

  test(`${database.name}: a job is not acknowledged before all of its entries are told, though what is told is kept`, async () => {
    await using farm = await openMaster(await database.place());
    const [id = 0] = await farmWithJobs(farm, 2);
    const upload = await uploadOf(farm, id);
    const half = await heartbeat(farm, 'shard-a', { ...upload, entries: upload.entries.slice(0, 1) });
    assert.deepEqual([half.acknowledgedJobIds, half.refused], [[], []]);
    assert.deepEqual(await statuses(farm, id), ['Completed', 'Queued']);
    assert.deepEqual((await heartbeat(farm, 'shard-a', upload)).acknowledgedJobIds, [id]);
  });

  test(`${database.name}: what is wrong costs itself: bad and unknown records are refused one by one, the others kept`, async () => {
    await using farm = await openMaster(await database.place());
    const [good = 0, bad = 0] = await farmWithJobs(farm, 1, 2);
    const uploads = [await uploadOf(farm, good), await uploadOf(farm, bad)];
    const [first, second] = uploads[1]?.entries as { id: number }[];
    const reply = await heartbeat(farm, 'shard-a', {
      jobs: [
        'no record',
        { ...(await jobOf(farm, good)), id: 4711 },
        { id: 0 },
        ...uploads.flatMap(({ jobs }) => jobs),
      ],
      entries: [
        { ...first, complete: 'yes' },
        second,
        { ...second, id: 4711 },
        { ...second, id: 4712, job_id: 4711 },
        ...(uploads[0]?.entries ?? []),
      ],
    });
    assert.deepEqual(reply.acknowledgedJobIds, [good]);
    assert.deepEqual(
      reply.refused.map(({ record, id }) => [record, id]),
      [
        ['job', null],
        ['job', null],
        ['entry', first?.id],
        ['job', 4711],
        ['entry', 4711],
      ],
    );
    assert.match(reply.refused.map(({ reason }) => reason).join('\n'), /complete is 'yes', expected 0 or 1/);
    assert.deepEqual(await statuses(farm, good), ['Completed']);
    assert.deepEqual(await statuses(farm, bad), ['Queued', 'Completed']);
  });

  test(`${database.name}: another shard’s job is neither taken over nor acknowledged, and one that is no shard’s is`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    const [id = 0] = await farmWithJobs(farm, 1);
    const upload = await uploadOf(farm, id);
    const ignored = await heartbeat(farm, 'shard-b', upload);
    assert.deepEqual([ignored.acknowledgedJobIds, ignored.refused], [[], []]);
    assert.deepEqual(await statuses(farm, id), ['Queued']);
    await master.removeShard('shard-a', { force: true });
    assert.deepEqual((await heartbeat(farm, 'shard-b', upload)).acknowledgedJobIds, [id]);
    assert.deepEqual(await statuses(farm, id), ['Completed']);
  });

  test(`${database.name}: entries without their job in the packet are nobody’s news`, async () => {
    await using farm = await openMaster(await database.place());
    const [id = 0] = await farmWithJobs(farm, 1);
    const { entries } = await uploadOf(farm, id);
    const reply = await heartbeat(farm, 'shard-a', { entries });
    assert.deepEqual([reply.acknowledgedJobIds, reply.refused], [[], []]);
    assert.deepEqual(await statuses(farm, id), ['Queued']);
  });

  test(`${database.name}: the first outcome stays: another one is refused, and what was sent before it is late`, async () => {
    await using farm = await openMaster(await database.place());
    const [id = 0] = await farmWithJobs(farm, 1);
    const running = await uploadOf(farm, id, { status: 'Running', active: 1, started_on: COMPLETED.finished_on });
    const completed = await uploadOf(farm, id);
    assert.deepEqual((await heartbeat(farm, 'shard-a', running)).acknowledgedJobIds, [id]);
    assert.deepEqual(await statuses(farm, id), ['Running']);
    await heartbeat(farm, 'shard-a', completed);
    const late = await heartbeat(farm, 'shard-a', running);
    assert.deepEqual([late.acknowledgedJobIds, late.refused], [[id], []]);
    const other = await heartbeat(farm, 'shard-a', await uploadOf(farm, id, { ...COMPLETED, status: 'Failed' }));
    assert.deepEqual(other.acknowledgedJobIds, [id], 'there is nothing more to tell');
    assert.match(other.refused[0]?.reason ?? '', /ended already with status "Completed".*told was status "Failed"/);
    assert.deepEqual(await statuses(farm, id), ['Completed']);
  });

  test(`${database.name}: a shard that has not heard of an abort does not take it back`, async () => {
    await using farm = await openMaster(await database.place());
    const [id = 0] = await farmWithJobs(farm, 2);
    const upload = await uploadOf(farm, id, { status: 'Running' });
    await farm.master.abortJob(id);
    await heartbeat(farm, 'shard-a', upload);
    const entries = await farm.master.listEntries(id);
    assert.deepEqual(
      entries.map(({ status, aborted }) => [status, aborted]),
      [
        ['Running', 1],
        ['Running', 1],
      ],
    );
  });

  test(`${database.name}: a shard tells of a job’s own fields, and of neither its shard nor its labels nor its id`, async () => {
    await using farm = await openMaster(await database.place());
    const [id = 0] = await farmWithJobs(farm, 1);
    const job = await jobOf(farm, id);
    const { entries } = await uploadOf(farm, id);
    const told = { ...job, name: 'renamed', priority: 3, shard_id: null };
    const related = await heartbeat(farm, 'shard-a', { jobs: [{ ...told, labels: [] }], entries });
    assert.match(related.refused[0]?.reason ?? '', /labels/);
    const moved = { ...(entries[0] as object), meta_host: null };
    const reply = await heartbeat(farm, 'shard-a', { jobs: [told], entries: [moved] });
    assert.deepEqual([reply.acknowledgedJobIds, reply.refused], [[id], []]);
    assert.deepEqual(await jobOf(farm, id), { ...told, shard_id: job.shard_id });
    const [entry] = await farm.master.listEntries(id);
    assert.notEqual(entry?.meta_host, null);
  });

  test(`${database.name}: hundreds of jobs come in one packet`, async () => {
    await using farm = await openMaster(await database.place());
    const ids = await farmWithJobs(farm, ...Array.from({ length: 250 }, () => 1));
    const uploads = await Promise.all(ids.map(id => uploadOf(farm, id)));
    const reply = await heartbeat(farm, 'shard-a', {
      jobs: uploads.flatMap(({ jobs }) => jobs),
      entries: uploads.flatMap(({ entries }) => entries),
    });
    assert.deepEqual(reply.acknowledgedJobIds, ids);
    assert.deepEqual(await farm.master.listJobs({ complete: false }), []);
  });
}
