/** The end of an entry, which no master gets before all of it is written. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { completeEntry, type EntryOutcome } from 'drone-task-queue/shard';
import { testDatabases } from '../contract/store/databases.js';
import { leakCheck } from '../support/leak-check.js';
import { chooseUploads } from '../../src/shard/client/chosen-uploads.js';
import { UploadSize } from '../../src/shard/client/upload-size.js';
import { addRows, entry, type Farm, FINISHED_ON, job, openFarm, rowsOf } from './farm.js';

const databases = testDatabases();
leakCheck();

const PROGRAM = fileURLToPath(new URL('./programs/complete-entry-process.js', import.meta.url));
const SHARD = { id: 4, hostname: 'shard4' };
const COMPLETED = { status: 'Completed', finished_on: FINISHED_ON, complete: 1 } as const;

async function uploadedIds(farm: Farm): Promise<number[]> {
  const limits = { maxUploadJobs: 10, maxUploadBytes: Infinity, random: Math.random };
  const { jobs } = await farm.read(db => chooseUploads(db, limits, new UploadSize(Infinity)));
  return jobs.map(({ id }) => id);
}

const DEATHS = [
  {
    after: 'entry outcome',
    job: job(20, { shard_id: 4 }),
    entry: entry(30, 20, { status: 'Completed', finished_on: FINISHED_ON }),
    uploaded: [],
  },
  {
    after: 'job to upload',
    job: job(20),
    entry: entry(30, 20, { status: 'Completed', finished_on: FINISHED_ON }),
    uploaded: [],
  },
  { after: 'entry complete', job: job(20), entry: entry(30, 20, COMPLETED), uploaded: [20] },
] as const;

for (const database of databases.shared) {
  for (const death of DEATHS) {
    test(`${database.name}: who is killed after the section '${death.after}' leaves an entry that is reported whole or not at all`, async () => {
      const place = await database.place();
      await using farm = await openFarm(place);
      await addRows(farm, {
        farm_shard: [SHARD],
        farm_job: [job(20, { shard_id: 4 })],
        farm_queue_entry: [entry(30, 20, { status: 'Running', active: 1 })],
      });
      const args = [PROGRAM, JSON.stringify(place), '30', FINISHED_ON, death.after];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      assert.deepEqual(await once(child, 'close'), [null, 'SIGKILL']);
      assert.deepEqual(await rowsOf(farm, 'farm_job'), [death.job]);
      assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), [death.entry]);
      assert.deepEqual(await uploadedIds(farm), death.uploaded);

      await completeEntry(farm, 30, { status: 'Completed', finishedOn: FINISHED_ON });
      assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), [entry(30, 20, COMPLETED)]);
      assert.deepEqual(await uploadedIds(farm), [20]);
    });
  }

  test(`${database.name}: an outcome that the master would refuse is refused here, before anything is written`, async () => {
    await using farm = await openFarm(await database.place());
    const running = entry(30, 20, { status: 'Running', active: 1 });
    const unfit = entry(31, 20, { status: 'Running', started_on: 'at noon' });
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_job: [job(20, { shard_id: 4 })],
      farm_queue_entry: [running, unfit],
    });
    const outcome = { status: 'Completed', finishedOn: FINISHED_ON };
    const cases: [id: number, outcome: object, told: RegExp][] = [
      [
        30,
        { ...outcome, finishedOn: '2026-01-01T00:00:00Z' },
        /^queue entry 30: finished_on is '2026-01-01T00:00:00Z'/,
      ],
      [30, { ...outcome, finishedOn: undefined }, /^queue entry 30: finished_on is undefined, expected a time such as/],
      [30, { ...outcome, finishedOn: null }, /^queue entry 30: finished_on is null/],
      [
        30,
        { ...outcome, status: 'a\0b' },
        /^queue entry 30: status is 'a\\x00b', expected a string of up to 1000 characters without a zero byte/,
      ],
      [30, { ...outcome, status: undefined }, /^queue entry 30: status is undefined/],
      [31, outcome, /^queue entry 31: started_on is 'at noon', expected a time such as/],
    ];
    for (const [id, wrong, message] of cases) {
      await assert.rejects(completeEntry(farm, id, wrong as EntryOutcome), { code: 'ERR_RECORD', message });
    }
    assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), [running, unfit]);
    assert.deepEqual(await rowsOf(farm, 'farm_job'), [job(20, { shard_id: 4 })]);
  });

  test(`${database.name}: an entry that is complete keeps its outcome, and its job is not uploaded anew`, async () => {
    await using farm = await openFarm(await database.place());
    await addRows(farm, {
      farm_shard: [SHARD],
      farm_job: [job(20, { shard_id: 4 })],
      farm_queue_entry: [entry(30, 20, COMPLETED)],
    });
    await completeEntry(farm, 30, { status: 'Aborted', finishedOn: '2027-01-01T00:00:00.000Z' });
    assert.deepEqual(await rowsOf(farm, 'farm_queue_entry'), [entry(30, 20, COMPLETED)]);
    assert.deepEqual(await uploadedIds(farm), []);
    await assert.rejects(completeEntry(farm, 31, { status: 'Completed', finishedOn: FINISHED_ON }), {
      code: 'ERR_RECORD',
      message: 'queue entry 31: id is 31, expected an entry of this store',
    });
  });
}
