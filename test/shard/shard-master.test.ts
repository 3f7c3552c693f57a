/** What a master's methods do, and what it refuses. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type FarmTables,
  MasterError,
  type MasterErrorCode,
  type NewHost,
  type NewJob,
  ShardMaster,
} from 'drone-task-queue/shard';
import type { Store } from 'drone-task-queue/store';
import { FakeClock } from 'drone-task-queue/testing';
import { rejectionOf } from '../contract/rejections.js';
import { testDatabases } from '../contract/store/databases.js';
import { leakCheck } from '../support/leak-check.js';
import {
  addShards,
  COMPLETED,
  heartbeat,
  hostOf,
  idsOf,
  jobOf,
  openMaster,
  packetOf,
  uploadOf,
} from './master/masters.js';

const databases = testDatabases();
leakCheck();

const work = { owner: 'ann', command: 'run it' };

async function refusal(promise: Promise<unknown>, code: MasterErrorCode, message: RegExp): Promise<void> {
  const error = await rejectionOf(promise);
  if (!(error instanceof MasterError)) throw error;
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
}

for (const database of databases.shared) {
  test(`${database.name}: shards and labels are made, listed and removed, and a label belongs to one shard at most`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await addShards(master, { 'shard-a': 'rack-a', 'shard-b': 'rack-b' });
    await refusal(master.createShard({ hostname: 'shard-a' }), 'ERR_EXISTS', /a shard 'shard-a' already/);
    await refusal(master.createLabel('rack-a'), 'ERR_EXISTS', /a label 'rack-a' already/);
    await refusal(
      master.addLabelToShard('shard-b', 'rack-a'),
      'ERR_LABEL_TAKEN',
      /'rack-a' belongs to the shard 'shard-a'/,
    );
    await refusal(master.addLabelToShard('shard-b', 'rack-z'), 'ERR_NOT_FOUND', /no label 'rack-z'/);
    await refusal(master.addLabelToShard('shard-z', 'rack-a'), 'ERR_UNKNOWN_SHARD', /no shard 'shard-z'/);
    await refusal(master.createShard({ hostname: 'c', labels: ['rack-a'] }), 'ERR_LABEL_TAKEN', /'shard-a'/);
    await master.addLabelToShard('shard-a', 'rack-a');
    await master.removeLabelFromShard('shard-a', 'rack-a');
    await refusal(master.removeLabelFromShard('shard-a', 'rack-a'), 'ERR_NOT_FOUND', /has no label 'rack-a'/);
    await master.addLabelToShard('shard-b', 'rack-a');
    assert.deepEqual(
      (await master.listShards()).map(({ hostname, labels }) => [hostname, labels]),
      [
        ['shard-a', []],
        ['shard-b', ['rack-a', 'rack-b']],
      ],
    );
    await refusal(master.removeLabel('rack-a'), 'ERR_IN_USE', /'rack-a' is used by a shard/);
    await master.removeLabelFromShard('shard-b', 'rack-a');
    await master.removeLabel('rack-a');
    await master.removeShard('shard-a');
    assert.deepEqual(
      (await master.listLabels()).map(({ name }) => name),
      ['rack-b'],
    );
    assert.deepEqual(
      (await master.listShards()).map(({ hostname }) => hostname),
      ['shard-b'],
    );
  });

  test(`${database.name}: a shard that has something to do is removed by force only, and that is free to be assigned again`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await addShards(master, { 'shard-a': 'rack-a' });
    await master.createHost({ hostname: 'a1', labels: ['rack-a'] });
    const job = { ...work, entries: [{ metaHost: 'rack-a' }] };
    const [done = 0, running = 0] = await master.createJobs([
      { ...job, name: 'done' },
      { ...job, name: 'running' },
    ]);
    await heartbeat(farm, 'shard-a');
    await heartbeat(farm, 'shard-a', await uploadOf(farm, done));
    await heartbeat(farm, 'shard-a', await uploadOf(farm, running, { status: 'Running', active: 1 }));
    await refusal(
      master.removeShard('shard-a'),
      'ERR_IN_USE',
      /^shard 'shard-a' still has 1 host and 1 open entry: remove its labels .*, or stop it and pass force: true$/,
    );
    const token = await master.createToken('shard-a');
    await master.removeShard('shard-a', { force: true });
    assert.equal(await master.hostnameOfToken(token), undefined);
    await refusal(master.heartbeat('shard-a', packetOf('shard-a')), 'ERR_UNKNOWN_SHARD', /no shard 'shard-a'/);
    await master.createShard({ hostname: 'shard-b', labels: ['rack-a'] });
    const reply = await heartbeat(farm, 'shard-b');
    assert.deepEqual([idsOf(reply.hosts), idsOf(reply.jobs)], [[(await hostOf(farm, 'a1')).id], [running]]);
    assert.deepEqual(
      (await master.listEntries(done)).map(({ status, finished_on }) => [status, finished_on]),
      [['Completed', COMPLETED.finished_on]],
    );
  });

  test(`${database.name}: jobs of a shard that is removed by force begin anew, or end where they cannot`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await addShards(master, { 'shard-a': 'rack-a' });
    await master.createHost({ hostname: 'a1', labels: ['rack-a'] });
    const [running = 0, begun = 0, aborted = 0] = await master.createJobs([
      { ...work, name: 'running', labels: ['rack-a'], entries: [{ metaHost: 'rack-a' }, { host: 'a1' }] },
      { ...work, name: 'begun', entries: [{ metaHost: 'rack-a' }, { metaHost: 'rack-a' }] },
      { ...work, name: 'aborted', entries: [{ metaHost: 'rack-a' }] },
    ]);
    await heartbeat(farm, 'shard-a');
    const { id: hostId } = await hostOf(farm, 'a1');
    const before = await master.listEntries(running);
    const started = { status: 'Running', active: 1, host_id: hostId, started_on: COMPLETED.finished_on } as const;
    const half = { ...started, finished_on: COMPLETED.finished_on, execution_subdir: 'results' };
    await heartbeat(farm, 'shard-a', await uploadOf(farm, running, half));
    const parts = await uploadOf(farm, begun, started);
    await heartbeat(farm, 'shard-a', { ...parts, entries: [{ ...(parts.entries[0] as object), ...COMPLETED }] });
    await master.abortJob(aborted);
    await master.removeShard('shard-a', { force: true });
    assert.deepEqual(await master.listEntries(running), before);
    assert.deepEqual(
      (await master.listEntries(begun)).map(({ status, complete }) => [status, complete]),
      [
        ['Completed', 1],
        ['Aborted', 1],
      ],
    );
    const [ended] = await master.listEntries(aborted);
    assert.deepEqual([ended?.status, ended?.complete, ended?.finished_on === null], ['Aborted', 1, false]);
    assert.deepEqual(idsOf(await master.listJobs({ complete: false })), [running]);
  });

  test(`${database.name}: a shard that is removed by force and made anew has its jobs again, and what it tells of them counts`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await addShards(master, { 'shard-a': 'rack-a' });
    const id = await master.createJob({ ...work, name: 'job', entries: [{ metaHost: 'rack-a' }] });
    await heartbeat(farm, 'shard-a');
    await master.removeShard('shard-a', { force: true });
    await master.createShard({ hostname: 'shard-a', labels: ['rack-a'] });
    const told = { knownJobIds: [id], ...(await uploadOf(farm, id)) };
    const first = await heartbeat(farm, 'shard-a', told);
    assert.deepEqual([first.acknowledgedJobIds, first.jobs], [[], []]);
    assert.deepEqual((await heartbeat(farm, 'shard-a', told)).acknowledgedJobIds, [id]);
    assert.deepEqual(await master.listJobs({ complete: false }), []);
  });

  test(`${database.name}: a shard speaks for itself only`, async () => {
    await using farm = await openMaster(await database.place());
    await addShards(farm.master, { 'shard-a': 'rack-a' });
    const foreign = farm.master.heartbeat('shard-a', packetOf('shard-b'));
    await refusal(foreign, 'ERR_OTHER_SHARD', /'shard-a' names 'shard-b'/);
  });

  test(`${database.name}: a token says whose it is until it is revoked, and is kept nowhere`, async () => {
    await using farm = await openMaster(await database.place());
    const { master, store } = farm;
    await addShards(master, { 'shard-a': 'rack-a', 'shard-b': 'rack-b' });
    const [first, second, other] = [
      await master.createToken('shard-a'),
      await master.createToken('shard-a'),
      await master.createToken('shard-b'),
    ];
    assert.match(first, /^drone-shard_\d+_[\w-]{43}$/);
    const owners = await Promise.all([first, second, other].map(token => master.hostnameOfToken(token)));
    assert.deepEqual(owners, ['shard-a', 'shard-a', 'shard-b']);
    const kept = JSON.stringify(await store.read(db => db.selectFrom('farm_shard_token').selectAll().execute()));
    for (const token of [first, second, other]) assert.ok(!kept.includes(token.slice(-43)));
    const swapped = other.replace(/_\d+_/, /_\d+_/.exec(first)?.[0] ?? '');
    const wrong = [swapped, `${first}x`, first.slice(0, -1), first.replace(/_\d+_/, '_99999999999_'), '', 'Bearer'];
    for (const token of wrong) assert.equal(await master.hostnameOfToken(token), undefined, token);
    const [oldest] = await master.listTokens('shard-a');
    assert.equal(await master.revokeTokens('shard-a', [oldest?.id ?? 0]), 1);
    assert.equal(await master.hostnameOfToken(first), undefined);
    assert.equal(await master.hostnameOfToken(second), 'shard-a');
    const rotated = await master.rotateToken('shard-a');
    assert.equal(await master.hostnameOfToken(second), undefined);
    assert.equal(await master.hostnameOfToken(rotated), 'shard-a');
    assert.equal(await master.revokeTokens('shard-b', []), 0);
    assert.equal(
      await master.revokeTokens(
        'shard-b',
        Array.from({ length: 70_000 }, (_, at) => 5_000 + at),
      ),
      0,
    );
    assert.equal(await master.revokeTokens('shard-a'), 1);
    assert.deepEqual(await master.listTokens('shard-a'), []);
    await refusal(master.createToken('shard-z'), 'ERR_UNKNOWN_SHARD', /no shard 'shard-z'/);
  });

  test(`${database.name}: hosts are made, listed by page, changed and removed`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await addShards(master, { 'shard-a': 'rack-a' });
    const names = Array.from({ length: 5 }, (_, at) => `a${String(at)}`);
    const ids = await master.createHosts(names.map(hostname => ({ hostname, labels: ['rack-a'] })));
    const other = await master.createHost({ hostname: 'other', status: 'Broken', locked: true });
    assert.deepEqual(idsOf(await master.listHosts({ label: 'rack-a', limit: 2 })), ids.slice(0, 2));
    assert.deepEqual(idsOf(await master.listHosts({ label: 'rack-a', afterId: ids[1], limit: 2 })), ids.slice(2, 4));
    assert.deepEqual(await hostOf(farm, 'other'), {
      id: other,
      hostname: 'other',
      status: 'Broken',
      locked: 1,
      leased: 0,
      invalid: 0,
      shard_id: null,
    });
    await heartbeat(farm, 'shard-a');
    assert.deepEqual(idsOf(await master.listHosts({ shard: 'shard-a' })), ids);
    assert.deepEqual(idsOf(await master.listHosts({ shard: null })), [other]);
    await refusal(master.createHost({ hostname: 'other' }), 'ERR_EXISTS', /a host 'other' already/);
    await refusal(master.createHosts([{ hostname: 'x' }, { hostname: 'x' }]), 'ERR_EXISTS', /'x'/);
    await refusal(master.createHost({ hostname: 'x', labels: ['rack-z'] }), 'ERR_NOT_FOUND', /no label 'rack-z'/);
    await refusal(master.createHost({ hostname: 'x', aclGroups: ['z'] }), 'ERR_NOT_FOUND', /no acl group 'z'/);
    await refusal(master.leaseHost('x'), 'ERR_NOT_FOUND', /no host 'x'/);
    await master.setHostLabels('a0', []);
    await master.setHostLabels('other', ['rack-a']);
    await master.setHostAttributes('other', { serial: '1', empty: '' });
    await master.setHostAttributes('other', { serial: '2' });
    assert.deepEqual(idsOf(await master.listHosts({ label: 'rack-a' })), [...ids.slice(1), other]);
    await master.removeHost('other');
    await refusal(master.removeHost('other'), 'ERR_NOT_FOUND', /no host 'other'/);
    assert.deepEqual(idsOf(await master.listHosts()), ids);
    assert.notEqual(await master.createHost({ hostname: 'other' }), other, 'ids are never given twice');
  });

  test(`${database.name}: users and groups are made, changed and removed`, async () => {
    await using farm = await openMaster(await database.place());
    const { master, store } = farm;
    await master.createUser({ login: 'ann', accessLevel: 5 });
    await master.createUser({ login: 'bob' });
    await master.createAclGroup({ name: 'lab', description: 'who is there', users: ['ann'] });
    await refusal(master.createUser({ login: 'ann' }), 'ERR_EXISTS', /a user 'ann' already/);
    await refusal(master.createAclGroup({ name: 'lab' }), 'ERR_EXISTS', /an acl group 'lab' already/);
    await refusal(master.setAclGroupUsers('lab', ['eve']), 'ERR_NOT_FOUND', /no user 'eve'/);
    await master.createHost({ hostname: 'x', aclGroups: ['lab'] });
    await master.setAclGroupUsers('lab', ['ann', 'bob']);
    const links = (): Promise<unknown[]> =>
      store.read(db => db.selectFrom('farm_acl_group_user').selectAll().execute());
    assert.equal((await links()).length, 2);
    await master.removeUser('bob');
    assert.equal((await links()).length, 1);
    assert.deepEqual(
      (await master.listUsers()).map(({ login, access_level }) => [login, access_level]),
      [['ann', 5]],
    );
    await master.setHostAclGroups('x', []);
    await master.removeAclGroup('lab');
    assert.deepEqual([await links(), await master.listAclGroups()], [[], []]);
  });

  test(`${database.name}: jobs are made all or none, listed by what they are, and removed when they are complete`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await addShards(master, { 'shard-a': 'rack-a' });
    const parentJobId = await master.createJob({ ...work, name: 'suite', entries: [{}] });
    const part = { ...work, parentJobId, entries: [{ metaHost: 'rack-a' }] };
    const [one = 0, two = 0] = await master.createJobs([
      { ...part, name: 'one', labels: ['rack-a'], keyvals: { build: '7', note: '' }, priority: 3 },
      { ...part, name: 'two', owner: 'bob' },
    ]);
    const calls: Promise<unknown>[] = [
      master.createJobs([
        { ...part, name: 'x' },
        { ...part, name: 'y', labels: ['rack-z'] },
      ]),
      master.createJob({ ...part, name: 'x', entries: [{ host: 'nowhere' }] }),
      master.createJob({ ...part, name: 'x', entries: [{ metaHost: 'rack-z' }] }),
      master.createJob({ ...part, name: 'x', parentJobId: 4711 }),
      master.listEntries(one).then(() => master.abortJob(4711)),
      master.setJobKeyval(4711, 'build', '7'),
    ];
    for (const wrong of await Promise.allSettled(calls)) {
      assert.equal(wrong.status, 'rejected');
      assert.equal((wrong.reason as MasterError).code, 'ERR_NOT_FOUND');
    }
    assert.deepEqual(idsOf(await master.listJobs({ parentJobId })), [one, two]);
    assert.deepEqual(idsOf(await master.listJobs({ owner: 'bob' })), [two]);
    await heartbeat(farm, 'shard-a');
    assert.deepEqual(idsOf(await master.listJobs({ shard: 'shard-a', afterId: one })), [two]);
    assert.deepEqual(idsOf(await master.listJobs({ shard: null })), [parentJobId]);
    assert.equal((await jobOf(farm, one)).priority, 3);
    await master.setJobKeyval(one, 'build', '8');
    await master.setJobKeyval(one, 'new', '1');
    await master.removeJobKeyval(one, 'note');
    await refusal(master.removeJobKeyval(one, 'note'), 'ERR_NOT_FOUND', /no keyval 'note'/);
    assert.deepEqual(
      (await master.listJobKeyvals(one)).map(({ key, value }) => [key, value]),
      [
        ['build', '8'],
        ['new', '1'],
      ],
    );
    await refusal(master.removeJob(one), 'ERR_IN_USE', /job \d+ is not complete/);
    await heartbeat(farm, 'shard-a', await uploadOf(farm, one));
    await master.removeJob(one);
    await refusal(master.removeJob(one), 'ERR_NOT_FOUND', /no job '\d+'/);
    assert.deepEqual(idsOf(await master.listJobs()), [parentJobId, two]);
  });

  test(`${database.name}: ids are given once, whatever calls come at the same time, in blocks of any size`, async () => {
    await using farm = await openMaster(await database.place());
    const { master } = farm;
    await master.createLabel('rack-a');
    const many = (count: number): Promise<number[]> =>
      master.createJobs(
        Array.from({ length: count }, () => ({ ...work, name: 'job', entries: [{ metaHost: 'rack-a' }] })),
      );
    const ids = (await Promise.all([many(3), many(2_000), many(1), many(0)])).flat();
    assert.equal(new Set(ids).size, 2_004);
    assert.equal((await master.listJobs({ limit: 10_000 })).length, 2_004);
  });
}

const WRONG: readonly (readonly [what: string, run: (master: ShardMaster<FarmTables>) => unknown, message: RegExp])[] =
  [
    ['a shard without a hostname', m => m.createShard({} as { hostname: string }), /hostname is undefined, expected a/],
    [
      'a shard with an option that is none',
      m => m.createShard({ hostname: 'a', label: 'x' } as never),
      /unknown option 'label'/,
    ],
    ['a label with an empty name', m => m.createLabel(''), /name is '', expected a non-empty string/],
    [
      'labels that are no list',
      m => m.createHost({ hostname: 'a', labels: 'x' } as unknown as NewHost),
      /labels is 'x', expected a list/,
    ],
    [
      'an attribute that is not text',
      m => m.createHost({ hostname: 'a', attributes: { n: 1 } } as unknown as NewHost),
      /attributes\.n is 1/,
    ],
    [
      'a job without entries',
      m => m.createJob({ ...work, name: 'x', entries: [] }),
      /entries is \[\], expected at least one/,
    ],
    [
      'a job without a command',
      m => m.createJob({ name: 'x', owner: 'ann', entries: [{}] } as unknown as NewJob),
      /command is undefined/,
    ],
    [
      'an entry with a host and a meta host',
      m => m.createJob({ ...work, name: 'x', entries: [{ host: 'a', metaHost: 'b' }] }),
      /entries\[0\] is /,
    ],
    [
      'entries of which some need a host',
      m => m.createJob({ ...work, name: 'x', entries: [{}, { host: 'a' }] }),
      /in each, or in none/,
    ],
    [
      'labels of a job that needs no host',
      m => m.createJob({ ...work, name: 'x', labels: ['a'], entries: [{}] }),
      /no labels/,
    ],
    [
      'a priority that is not an integer',
      m => m.createJob({ ...work, name: 'x', priority: 0.5, entries: [{}] }),
      /priority is 0\.5/,
    ],
    [
      'a status that no shard would take',
      m => m.createHost({ hostname: 'a', status: 'x'.repeat(1_001) }),
      /status is 'x+'.*, expected a string of up to 1000 characters/,
    ],
    ['an id that is none', m => m.abortJob(0), /jobId is 0, expected an integer from 1/],
    ['a page of no jobs', m => m.listJobs({ limit: 0 }), /limit is 0, expected an integer from 1/],
    [
      'a page of hosts of a shard that is a number',
      m => m.listHosts({ shard: 7 } as never),
      /shard is 7, expected a shard's hostname, or null/,
    ],
  ];

for (const [what, run, message] of WRONG) {
  test(`${what} is refused with what was expected`, async () => {
    await using farm = await openMaster({ memory: true });
    const error = await rejectionOf((async () => run(farm.master))());
    assert.match(String(error), message);
    assert.equal((error as { code?: unknown }).code, 'ERR_INVALID_ARG');
  });
}

test('a master needs a store, and takes no unknown options', async () => {
  await using farm = await openMaster({ memory: true });
  const noStore: unknown = {};
  assert.throws(() => new ShardMaster(noStore as Store<FarmTables>), /store is \{\}, expected a Store/);
  for (const wrong of [{ maxReplyBytes: 0 }, { maxJobsPerReply: 0 }, { maxHostsPerReply: 1.5 }, { maxJobs: 1 }]) {
    assert.throws(() => new ShardMaster(farm.store, wrong), { code: 'ERR_INVALID_ARG' });
  }
});

test('a master tells its log which records it has refused, once a minute at the most', async () => {
  const lines: string[] = [];
  const details: string[] = [];
  const silent = (): void => undefined;
  const log = {
    debug: (line: string) => details.push(line),
    info: silent,
    warn: (line: string) => lines.push(line),
    error: silent,
  };
  const clock = new FakeClock();
  await using farm = await openMaster({ memory: true }, { log, clock });
  await addShards(farm.master, { 'shard-a': 'rack-a' });
  for (let time = 0; time < 2; time++) await heartbeat(farm, 'shard-a', { jobs: [{ id: 0 }] });
  assert.deepEqual(lines, ['shard_master: shard-a: 1 of its records were refused'], 'once');
  await heartbeat(farm, 'shard-a');
  await heartbeat(farm, 'shard-a', { jobs: [{ id: 0 }] });
  assert.deepEqual([lines.length, details.length], [1, 1], 'it may be otherwise with each heartbeat');
  await clock.advance(60_000);
  await heartbeat(farm, 'shard-a');
  await heartbeat(farm, 'shard-a', { jobs: [{ id: 0 }] });
  assert.equal(lines.length, 2, 'and when it is so again');
});

test('what is refused is reported briefly, whatever its fields are called', async () => {
  await using farm = await openMaster({ memory: true });
  await addShards(farm.master, { 'shard-a': 'rack-a' });
  const { refused } = await heartbeat(farm, 'shard-a', { jobs: [{ [`\n${'x'.repeat(1_000_000)}`]: {} }] });
  assert.equal(refused.length, 1);
  assert.ok((refused[0]?.reason.length ?? Infinity) < 400);
  assert.doesNotMatch(refused[0]?.reason ?? '', /\n/);
});
