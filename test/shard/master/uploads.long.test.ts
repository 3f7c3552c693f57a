/** What a master takes over of what shards tell it, and what it acknowledges. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'node:test';
import { events, type SectionEnd } from 'drone-task-queue/store';
import { testDatabases } from '../../contract/store/databases.js';
import { leakCheck } from '../../support/leak-check.js';
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

  test(`${database.name}: a job is not acknowledged before all of its entries are reported, though what was reported is kept`, async () => {
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

  test(`${database.name}: another shard’s job is neither taken over nor acknowledged, and one without a shard only when it is over`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    const [id = 0] = await farmWithJobs(farm, 1);
    const upload = await uploadOf(farm, id);
    const ignored = await heartbeat(farm, 'shard-b', upload);
    assert.deepEqual([ignored.acknowledgedJobIds, ignored.refused], [[], []]);
    assert.deepEqual(await statuses(farm, id), ['Queued']);
    await master.removeShard('shard-a', { force: true });
    assert.deepEqual((await heartbeat(farm, 'shard-b', upload)).acknowledgedJobIds, [], 'it waits for its next shard');
    assert.deepEqual(await statuses(farm, id), ['Queued']);
    await master.abortJob(id);
    const late = await heartbeat(farm, 'shard-b', upload);
    assert.deepEqual(
      [late.acknowledgedJobIds, late.refused.length],
      [[id], 1],
      'no shard needs to hear of it any more',
    );
    assert.deepEqual(await statuses(farm, id), ['Aborted']);
  });

  test(`${database.name}: a shard can tell nothing of jobs that wait, or that the master runs itself`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await farmWithJobs(farm);
    const ids = await master.createJobs([
      { ...work, name: 'of the other', entries: [{ metaHost: 'rack-b' }] },
      { ...work, name: 'without a host', entries: [{}] },
      { ...work, name: 'to be aborted', entries: [{}] },
    ]);
    await farm.store.readWrite('start', tx =>
      tx
        .updateTable('farm_queue_entry')
        .set({ active: 1 })
        .where('job_id', '=', ids[2] ?? 0)
        .execute(),
    );
    await master.abortJob(ids[2] ?? 0);
    const before = await Promise.all(ids.map(async id => [await jobOf(farm, id), await entriesOf(farm, id)]));
    const uploads = await Promise.all(ids.map(id => uploadOf(farm, id)));
    const reply = await heartbeat(farm, 'shard-a', {
      jobs: uploads.flatMap(({ jobs }) => jobs.map(job => ({ ...(job as object), command: 'another one' }))),
      entries: uploads.flatMap(({ entries }) => entries),
    });
    assert.deepEqual(reply.acknowledgedJobIds, []);
    const after = await Promise.all(ids.map(async id => [await jobOf(farm, id), await entriesOf(farm, id)]));
    assert.deepEqual(after, before);
  });

  test(`${database.name}: entries without their job in the packet are not news`, async () => {
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
    assert.match(other.refused[0]?.reason ?? '', /already ended with status 'Completed'.*reported status 'Failed'/);
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

  test(`${database.name}: a shard tells of the entries of a job, and of nothing that is the master’s`, async () => {
    await using farm = await openMaster(await database.place());
    const [id = 0] = await farmWithJobs(farm, 1);
    const job = await jobOf(farm, id);
    const { entries } = await uploadOf(farm, id);
    const told = { ...job, name: 'renamed', priority: 3, command: 'another one', shard_id: null };
    const related = await heartbeat(farm, 'shard-a', { jobs: [{ ...told, labels: [] }], entries });
    assert.match(related.refused[0]?.reason ?? '', /labels/);
    const moved = { ...(entries[0] as object), meta_host: null };
    const reply = await heartbeat(farm, 'shard-a', { jobs: [told], entries: [moved] });
    assert.deepEqual([reply.acknowledgedJobIds, reply.refused], [[id], []]);
    assert.deepEqual(await jobOf(farm, id), job);
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

test('an entry that comes a hundred times in one packet is written once', async () => {
  await using farm = await openMaster({ memory: true });
  const [id = 0] = await farmWithJobs(farm, 1);
  const { jobs, entries } = await uploadOf(farm, id, { status: 'Running' });
  const many = Array.from({ length: 100 }, (_, at) => ({ ...(entries[0] as object), status: `after ${String(at)} s` }));
  let writes = 0;
  const listener = (message: unknown): void => {
    if ((message as SectionEnd).section === 'take over entry') writes += 1;
  };
  subscribe(events.sectionEnd, listener);
  const reply = await heartbeat(farm, 'shard-a', { jobs, entries: many });
  unsubscribe(events.sectionEnd, listener);
  assert.deepEqual([writes, reply.acknowledgedJobIds], [1, [id]]);
  assert.deepEqual(await statuses(farm, id), ['after 99 s']);
});

test('a host that a job names stays that one, whatever its shard tells', async () => {
  await using farm = await openMaster({ memory: true });
  const { master } = farm;
  await addShards(farm.master, { 'shard-a': 'rack-a', 'shard-b': 'rack-b' });
  const own = await master.createHost({ hostname: 'a1', labels: ['rack-a'] });
  const others = await master.createHost({ hostname: 'b1', labels: ['rack-b'] });
  const id = await master.createJob({ ...work, name: 'job', entries: [{ host: 'a1' }] });
  await heartbeat(farm, 'shard-a');
  for (const news of [{ status: 'Running' }, COMPLETED]) {
    const upload = await uploadOf(farm, id, { ...news, host_id: others });
    const reply = await heartbeat(farm, 'shard-a', upload);
    assert.deepEqual([reply.acknowledgedJobIds, reply.refused], [[id], []]);
    const [entry] = await master.listEntries(id);
    assert.deepEqual([entry?.status, entry?.host_id], [news.status, own]);
  }
});

test('a shard is not told how jobs have ended that are no shard’s', async () => {
  await using farm = await openMaster({ memory: true });
  await farmWithJobs(farm);
  const id = await farm.master.createJob({ ...work, name: 'of the master', entries: [{}] });
  const upload = await uploadOf(farm, id);
  const ended = { ...COMPLETED, status: 'Completed privately', execution_subdir: 'private' };
  await farm.store.readWrite('end', tx => tx.updateTable('farm_queue_entry').set(ended).execute());
  const reply = await heartbeat(farm, 'shard-a', upload);
  assert.match(
    reply.refused[0]?.reason ?? '',
    /^it has already ended, and stays so; the upload reported status 'Completed'$/,
  );
  assert.doesNotMatch(JSON.stringify(reply), /private/);
});

test('names that mean something to JavaScript or SQL are text as any other', async () => {
  await using farm = await openMaster({ memory: true });
  const [id = 0, other = 0] = await farmWithJobs(farm, 1, 1);
  const hostId = await farm.master.createHost({ hostname: 'a1', labels: ['rack-a'] });
  await heartbeat(farm, 'shard-a');
  const status = `x'); DELETE FROM farm_job; -- "$1" ?`;
  const { jobs, entries } = await uploadOf(farm, id, { ...COMPLETED, status });
  const hidden = JSON.parse(`{"__proto__": ${JSON.stringify(await jobOf(farm, other))}, "constructor": 7}`) as unknown;
  const reply = await heartbeat(farm, 'shard-a', {
    jobs: [hidden, { ...(jobs[0] as object), constructor: 7, toString: 'x' }],
    entries,
    knownHosts: [{ id: hostId, status }],
  });
  assert.deepEqual([reply.acknowledgedJobIds, reply.refused.map(refused => refused.id)], [[id], [null]]);
  assert.deepEqual(await statuses(farm, id), [status]);
  assert.deepEqual(
    (await farm.master.listHosts()).map(host => host.status),
    [status],
  );
  assert.equal((await farm.master.listJobs()).length, 2);
});

test('what a shard tells of a record is as long as it may be, and not longer', async () => {
  await using farm = await openMaster({ memory: true });
  const [id = 0] = await farmWithJobs(farm, 1);
  const hostIds = await farm.master.createHosts(
    Array.from({ length: 600 }, (_, at) => ({ hostname: `a${String(at)}`, labels: ['rack-a'] })),
  );
  await heartbeat(farm, 'shard-a');
  const statusOf = (at: number, chars: number): string => String(at).padEnd(chars, '.');
  const knownHosts = hostIds.map((hostId, at) => ({ id: hostId, status: statusOf(at, at === 7 ? 1_001 : 1_000) }));
  for (const news of [{ status: 'x'.repeat(1_001) }, { execution_subdir: 'x'.repeat(4_097) }]) {
    const { jobs, entries } = await uploadOf(farm, id, { ...COMPLETED, ...news });
    const { refused, acknowledgedJobIds } = await heartbeat(farm, 'shard-a', { jobs, entries, knownHosts });
    assert.deepEqual(
      refused.map(({ record }) => record),
      ['entry', 'host'],
    );
    for (const { reason } of refused)
      assert.match(reason, /expected a string of up to \d,?\d+ characters without a zero byte/);
    assert.deepEqual(acknowledgedJobIds, []);
  }
  assert.deepEqual(await statuses(farm, id), ['Queued']);
  const hosts = await farm.master.listHosts({ limit: 1_000 });
  assert.deepEqual(
    hosts.map(({ status }) => status),
    hosts.map((_, at) => (at === 7 ? 'Ready' : statusOf(at, 1_000))),
  );
});

test('of a packet that is wrong throughout a thousand records are complained about, shortly, and the rest is counted', async () => {
  await using farm = await openMaster({ memory: true });
  const [id = 0] = await farmWithJobs(farm, 1);
  const long = 'x'.repeat(4_000);
  await heartbeat(farm, 'shard-a', await uploadOf(farm, id, { ...COMPLETED, execution_subdir: long }));
  const upload = await uploadOf(farm, id, { ...COMPLETED, execution_subdir: `${long}y` });
  const other = await heartbeat(farm, 'shard-a', upload);
  assert.match(other.refused[0]?.reason ?? '', /execution_subdir 'x+'\.\.\. \d+ more characters, and stays so/);
  assert.ok((other.refused[0]?.reason.length ?? 0) < 400);
  const zeros = Array.from({ length: 9_000 }, () => 0);
  const reply = await heartbeat(farm, 'shard-a', { ...upload, jobs: [...upload.jobs, ...zeros], entries: zeros });
  const told = reply.refused.map(({ record, reason }) => `${record}: ${reason}`);
  assert.equal(told.length, 1_002);
  assert.match(told[999] ?? '', /^job: a job without an id: the record is 0, expected an object/);
  assert.match(told[1_000] ?? '', /^job: and 8000 more, refused or not examined/);
  assert.match(told[1_001] ?? '', /^entry: and 9000 more/);
  const unknown = Array.from({ length: 1_500 }, (_, at) => ({ ...(upload.entries[0] as object), id: 5_000 + at }));
  const late = await heartbeat(farm, 'shard-a', { ...upload, entries: [...unknown, ...upload.entries] });
  assert.equal(late.refused.length, 1_001, 'those that are found later on as well');
  assert.deepEqual(late.acknowledgedJobIds, [id]);
});
