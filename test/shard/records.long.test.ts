/** Records: what is sent of rows, and what becomes of it on the other side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FarmTables } from 'drone-task-queue/shard';
import { deserializeHost, deserializeJob, deserializeJobKeyval } from '../../src/shard/records/deserialize.js';
import type { RecordError } from '../../src/shard/records/record-error.js';
import { readUploadedRow, recordIdOf } from '../../src/shard/records/record-fields.js';
import {
  entryRecords,
  jobRecords,
  serializeHosts,
  serializeJobKeyvals,
  serializeJobs,
} from '../../src/shard/records/serialize.js';
import { testDatabases } from '../contract/store/databases.js';
import { leakCheck } from '../support/leak-check.js';
import { addRows, CREATED_ON, entry, type Farm, host, job, openFarm, overTheWire, type Rows, rowsOf } from './farm.js';

const databases = testDatabases();
leakCheck();

const SHARD = { id: 4, hostname: 'shard4' };
const BOARD = { id: 7, name: 'board:x' };
const POOL = { id: 8, name: 'pool:y' };
const USER = { id: 3, login: 'ann', access_level: 1 };
const GROUP = { id: 5, name: 'Everyone', description: 'all' };

/** A master with one host and one job, and all that can belong to them. */
const MASTER: Rows = {
  farm_label: [BOARD, POOL],
  farm_shard: [SHARD],
  farm_user: [USER],
  farm_acl_group: [GROUP],
  farm_acl_group_user: [{ acl_group_id: 5, user_id: 3 }],
  farm_host: [host(11, { shard_id: 4, status: 'Repairing' })],
  farm_host_label: [
    { host_id: 11, label_id: 7 },
    { host_id: 11, label_id: 8 },
  ],
  farm_host_attribute: [{ id: 90, host_id: 11, attribute: 'serial', value: 'ABC' }],
  farm_acl_group_host: [{ acl_group_id: 5, host_id: 11 }],
  farm_job: [job(20, { parent_job_id: 19, shard_id: 4 })],
  farm_job_label: [{ job_id: 20, label_id: 8 }],
  farm_job_keyval: [
    { id: 70, job_id: 19, key: 'suite', value: 'bvt' },
    { id: 71, job_id: 20, key: 'build', value: 'R1' },
  ],
  farm_queue_entry: [entry(30, 20, { host_id: 11 }), entry(31, 20, { meta_host: 7, started_on: CREATED_ON })],
};

const TOLD = [
  'farm_label',
  'farm_shard',
  'farm_user',
  'farm_acl_group',
  'farm_acl_group_user',
  'farm_host',
  'farm_host_label',
  'farm_acl_group_host',
  'farm_job',
  'farm_job_label',
  'farm_queue_entry',
] as const satisfies (keyof FarmTables)[];

async function recordsOf(master: Farm): Promise<{ hosts: unknown[]; jobs: unknown[]; keyvals: unknown[] }> {
  const records = await master.read(async db => ({
    hosts: await serializeHosts(db, [11]),
    jobs: await serializeJobs(db, [20]),
    keyvals: await serializeJobKeyvals(db, [19]),
  }));
  return overTheWire(records);
}

async function takeOver(shard: Farm, master: Farm): Promise<void> {
  const { hosts, jobs, keyvals } = await recordsOf(master);
  await shard.readWrite('take over', async tx => {
    for (const record of hosts) assert.equal(await deserializeHost(tx, record), 11);
    for (const record of jobs) assert.equal(await deserializeJob(tx, record), 20);
    for (const record of keyvals) await deserializeJobKeyval(tx, record);
  });
}

/** Without ids, which are each database's own. */
async function knownOf(farm: Farm): Promise<unknown> {
  const keyvals = await rowsOf(farm, 'farm_job_keyval');
  const attributes = await rowsOf(farm, 'farm_host_attribute');
  return [
    keyvals.map(({ job_id, key, value }) => [job_id, key, value]).sort(),
    attributes.map(({ host_id, attribute, value }) => [host_id, attribute, value]).sort(),
  ];
}

for (const database of databases.shared) {
  /** A master with one host and one job, and a shard that has nothing yet. */
  const farms = async (): Promise<AsyncDisposable & { master: Farm; shard: Farm }> => {
    const master = await openFarm(await database.place());
    const shard = await openFarm(await database.place());
    await addRows(master, MASTER);
    return {
      master,
      shard,
      async [Symbol.asyncDispose]() {
        await Promise.all([master.close(), shard.close()]);
      },
    };
  };

  test(`${database.name}: a shard that has nothing gets all rows of a host and a job as the master has them`, async () => {
    await using both = await farms();
    const { master, shard } = both;
    for (let time = 1; time <= 2; time++) {
      await takeOver(shard, master);
      for (const table of TOLD) assert.deepEqual(await rowsOf(shard, table), await rowsOf(master, table), table);
      assert.deepEqual(await knownOf(shard), await knownOf(master));
    }
  });

  test(`${database.name}: what is uploaded has no related objects, and the master reads it as the shard's rows`, async () => {
    await using both = await farms();
    const { master } = both;
    const [jobs, entries] = await master.read(db =>
      Promise.all([jobRecords(db, [20, 20, 99]), entryRecords(db, [20, 99])]),
    );
    assert.deepEqual(
      overTheWire(jobs).map(row => readUploadedRow('job', row)),
      await rowsOf(master, 'farm_job'),
    );
    assert.deepEqual(
      overTheWire(entries).map(row => readUploadedRow('queue entry', row)),
      await rowsOf(master, 'farm_queue_entry'),
    );
  });

  test(`${database.name}: of rows that are there already only what the master may change is changed, and what belongs to them`, async () => {
    await using both = await farms();
    const { master, shard } = both;
    await takeOver(shard, master);
    await shard.readWrite('work', async tx => {
      await tx.updateTable('farm_host').set({ status: 'Running', locked: 1 }).execute();
      await tx.updateTable('farm_queue_entry').set({ status: 'Running', active: 1 }).where('id', '=', 30).execute();
      await tx.insertInto('farm_job_keyval').values({ id: 900, job_id: 20, key: 'own', value: 'gone' }).execute();
    });
    await master.readWrite('change', async tx => {
      await tx.updateTable('farm_host').set({ invalid: 1, hostname: 'other' }).execute();
      await tx.updateTable('farm_job').set({ name: 'other', priority: 9 }).execute();
      await tx.updateTable('farm_queue_entry').set({ aborted: 1, status: 'Aborting' }).execute();
      await tx.updateTable('farm_job_keyval').set({ value: 'new' }).execute();
      await tx.updateTable('farm_host_attribute').set({ value: 'new' }).execute();
      await tx.deleteFrom('farm_host_label').where('label_id', '=', 7).execute();
      await tx.deleteFrom('farm_acl_group_user').execute();
      await tx.updateTable('farm_user').set({ access_level: 9 }).execute();
    });
    await takeOver(shard, master);
    assert.deepEqual(await rowsOf(shard, 'farm_host'), [
      host(11, { shard_id: 4, status: 'Running', locked: 1, invalid: 1 }),
    ]);
    assert.deepEqual(await rowsOf(shard, 'farm_job'), MASTER.farm_job);
    assert.deepEqual(await rowsOf(shard, 'farm_queue_entry'), [
      entry(30, 20, { host_id: 11, status: 'Running', active: 1, aborted: 1 }),
      entry(31, 20, { meta_host: 7, started_on: CREATED_ON, aborted: 1 }),
    ]);
    for (const table of ['farm_host_label', 'farm_acl_group_user', 'farm_acl_group_host', 'farm_job_label'] as const) {
      assert.deepEqual(await rowsOf(shard, table), await rowsOf(master, table), table);
    }
    assert.deepEqual(await knownOf(shard), await knownOf(master));
  });

  test(`${database.name}: a job that is to be uploaded stays so when its record comes again`, async () => {
    await using both = await farms();
    const { master, shard } = both;
    await takeOver(shard, master);
    await shard.readWrite('to upload', tx => tx.updateTable('farm_job').set({ shard_id: null }).execute());
    await takeOver(shard, master);
    assert.deepEqual(await rowsOf(shard, 'farm_job'), [job(20, { parent_job_id: 19 })]);
  });

  test(`${database.name}: a name that has moved to another id on the master moves here as well, and nothing that pointed to it is lost`, async () => {
    await using both = await farms();
    const { master, shard } = both;
    await takeOver(shard, master);
    await master.readWrite('exchange names', async tx => {
      const rename = (id: number, name: string): Promise<unknown> =>
        tx.updateTable('farm_label').set({ name }).where('id', '=', id).execute();
      await rename(7, 'between');
      await rename(8, 'board:x');
      await rename(7, 'pool:y');
      await tx.insertInto('farm_shard').values({ id: 6, hostname: 'between' }).execute();
      await tx.updateTable('farm_host').set({ shard_id: 6 }).execute();
      await tx.updateTable('farm_shard').set({ hostname: 'old' }).where('id', '=', 4).execute();
      await tx.updateTable('farm_shard').set({ hostname: 'shard4' }).where('id', '=', 6).execute();
    });
    const { hosts } = await recordsOf(master);
    await shard.readWrite('take over', tx => deserializeHost(tx, hosts[0]));
    assert.deepEqual(await rowsOf(shard, 'farm_label'), await rowsOf(master, 'farm_label'));
    assert.deepEqual(await rowsOf(shard, 'farm_shard'), [
      { id: 4, hostname: 'shard4 (was 4)' },
      { id: 6, hostname: 'shard4' },
    ]);
    assert.deepEqual(await rowsOf(shard, 'farm_job'), MASTER.farm_job, 'still points to the old row');
  });

  test(`${database.name}: a user who has only the id, or only the login, of the master's is another user and goes`, async () => {
    await using both = await farms();
    const { master, shard } = both;
    await addRows(shard, {
      farm_user: [
        { id: 3, login: 'bob', access_level: 0 },
        { id: 9, login: 'ann', access_level: 0 },
        { id: 10, login: 'eve', access_level: 0 },
      ],
      farm_acl_group: [{ id: 6, name: 'Other', description: '' }],
      farm_acl_group_user: [
        { acl_group_id: 6, user_id: 9 },
        { acl_group_id: 6, user_id: 10 },
      ],
    });
    await takeOver(shard, master);
    assert.deepEqual(await rowsOf(shard, 'farm_user'), [USER, { id: 10, login: 'eve', access_level: 0 }]);
    assert.deepEqual(await rowsOf(shard, 'farm_acl_group_user'), [
      { acl_group_id: 5, user_id: 3 },
      { acl_group_id: 6, user_id: 10 },
    ]);
  });

  test(`${database.name}: a record of what is here for another job is refused, and so is one that does not fit together`, async () => {
    await using both = await farms();
    const { master, shard } = both;
    await takeOver(shard, master);
    const [whole] = (await recordsOf(master)).jobs as [Record<string, unknown>];
    const refusal = (record: unknown): Promise<RecordError> =>
      shard
        .readWrite('refused', tx => deserializeJob(tx, record))
        .then(
          () => assert.fail('taken over'),
          (error: unknown) => error as RecordError,
        );
    const moved = { ...whole, id: 21, labels: [], keyvals: [], entries: [entry(30, 21)] };
    const cases: [record: unknown, told: string][] = [
      [moved, 'queue entry 30: job_id is 21, expected 20, as it is here'],
      [
        { ...whole, entries: [entry(40, 99)] },
        'queue entry 40: job_id is 99, expected 20, because it came with that record',
      ],
      [
        { ...whole, shard: { id: 5, hostname: 'x' } },
        "job 20: shard is { id: 5, hostname: 'x' }, expected the shard with the id 4",
      ],
      [{ ...whole, labels: 'all' }, "job 20: labels is 'all', expected a list of records"],
      [{ ...whole, labels: [null] }, 'a label without an id: the record is null, expected an object'],
    ];
    for (const [record, told] of cases) {
      const error = await refusal(record);
      assert.deepEqual([error.name, error.message], ['RecordError', told]);
      assert.equal(error.code, 'ERR_RECORD');
    }
    assert.deepEqual(await rowsOf(shard, 'farm_job'), MASTER.farm_job);
  });

  test(`${database.name}: a job with more entries than a statement takes parameters goes over whole`, async () => {
    await using both = await farms();
    const { master, shard } = both;
    await takeOver(shard, master);
    const [whole] = (await recordsOf(master)).jobs as [Record<string, unknown>];
    const entries = Array.from({ length: 12_000 }, (_, at) => entry(1000 + at, 20));
    await shard.readWrite('take over', tx => deserializeJob(tx, { ...whole, entries }));
    const ids = Array.from({ length: 70_000 }, (_, at) => at);
    const [rows, jobs] = await shard.read(
      async db => [await entryRecords(db, ids), await serializeJobs(db, ids)] as const,
    );
    assert.equal(rows.length, 12_002);
    assert.equal(jobs[0]?.entries.length, 12_002);
  });
}

test('each field of a record is checked, and the complaint names the record, its id and the field', () => {
  const cases: [record: unknown, told: string][] = [
    [7, 'a job without an id: the record is 7, expected an object'],
    [[], 'a job without an id: the record is [], expected an object'],
    [{ ...job(1), id: '1' }, "a job without an id: id is '1', expected an integer from 1 to 2147483647"],
    [{ ...job(1), id: 2 ** 31 }, 'a job without an id: id is 2147483648, expected an integer from 1 to 2147483647'],
    [{ ...job(1), name: undefined }, 'job 1: name is undefined, expected a string without a zero byte'],
    [{ ...job(1), command: 'a\0b' }, "job 1: command is 'a\\x00b', expected a string without a zero byte"],
    [
      { ...job(1), created_on: 'today' },
      "job 1: created_on is 'today', expected a time such as 2026-01-31T12:00:00.000Z",
    ],
    [{ ...job(1), priority: 1.5 }, 'job 1: priority is 1.5, expected an integer from -2147483647 to 2147483647'],
    [{ ...job(1), shard_id: 0 }, 'job 1: shard_id is 0, expected an integer from 1 to 2147483647, or null'],
    [{ ...job(1), keyvals: [] }, 'job 1: keyvals is [], expected nothing that belongs to an uploaded record'],
    [{ ...job(1), later: {} }, 'job 1: later is {}, expected nothing that belongs to an uploaded record'],
  ];
  const accents = { ...entry(3, 1), status: `e${'\u0301'.repeat(1_000)}` };
  assert.throws(() => readUploadedRow('queue entry', accents), {
    field: 'status',
    message: /expected a string of up to 1000 /,
  });
  for (const [record, message] of cases)
    assert.throws(() => readUploadedRow('job', record), { name: 'RecordError', message });
  assert.throws(() => readUploadedRow('queue entry', { ...entry(3, 1), complete: true }), {
    code: 'ERR_RECORD',
    record: 'queue entry',
    id: 3,
    field: 'complete',
    message: 'queue entry 3: complete is true, expected 0 or 1',
  });
  assert.deepEqual(
    [recordIdOf({ id: 5 }), recordIdOf({ id: 0 }), recordIdOf(null), recordIdOf('5')],
    [5, null, null, null],
  );
});

test('fields that a record does not have get what they stand for, and those that are not known are left out', () => {
  const { priority: _priority, parent_job_id: _parent, shard_id: _shard, ...least } = job(1);
  assert.deepEqual(readUploadedRow('job', { ...least, newer: true }), job(1));
});
