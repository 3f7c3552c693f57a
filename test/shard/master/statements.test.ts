/**
 * What a heartbeat asks the database, and how the database goes about it: nothing may take longer as the farm's history
 * grows. What is open may be looked through.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type FarmTables, ShardMaster } from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { CompiledQuery, type Kysely, type KyselyPlugin, sql } from 'kysely';
import { type TestDatabase, testDatabases } from '../../contract/store/databases.js';
import { leakCheck } from '../../support/leak-check.js';
import { addShards, COMPLETED, type Farm, heartbeat, hostOf, openMaster, uploadOf } from './masters.js';

const databases = testDatabases();
leakCheck();

const PAST_JOBS = 20_000;
const OPEN_JOBS = 20;
/** Tables that have a row for each job, and more. */
const GROWING = ['farm_job', 'farm_queue_entry', 'farm_job_label', 'farm_job_keyval'];
/** Indexes by which all jobs of a shard, or of a label, are found, whenever they were; one job of them is fine. */
const OF_ALL_TIMES = /farm_job_shard(?!.*rowid=)|farm_job_label_label(?!.*job_id=)/;
const OF_WHAT_IS_OPEN = 'farm_queue_entry_open';

/** The numbers up to n. */
const series = (n: number): ReturnType<typeof sql> =>
  sql`WITH RECURSIVE series (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < ${sql.lit(n)})`;

/** A shard with a long past, something open, and news of all kinds. */
async function addPast({ store, master }: Farm, kind: TestDatabase['kind']): Promise<void> {
  await addShards(master, { 'shard-a': 'rack-a', 'shard-b': 'rack-b' });
  await master.createHosts(
    Array.from({ length: 200 }, (_, at) => ({ hostname: `a${String(at)}`, labels: [at < 10 ? 'rack-a' : 'rack-b'] })),
  );
  const parentJobId = await master.createJob({
    name: 'suite',
    owner: 'ann',
    command: 'run it',
    keyvals: { build: '7' },
    entries: [{}],
  });
  const job = { name: 'job', owner: 'ann', command: 'run it', parentJobId };
  await master.createJobs(
    Array.from({ length: OPEN_JOBS }, (_, at) => [
      { ...job, labels: ['rack-a'], entries: [{ metaHost: 'rack-b' }] },
      { ...job, entries: [{ host: `a${String(at)}` }] },
      { ...job, entries: [{ metaHost: 'rack-a' }] },
    ]).flat(),
  );
  await store.readWrite('make past', async tx => {
    const ids = sql`i + 100000`;
    const start = series(PAST_JOBS);
    await sql`INSERT INTO farm_job (id, name, owner, priority, command, created_on, parent_job_id, shard_id)
      ${start} SELECT ${ids}, 'past', 'ann', 0, 'run it', '2026-01-01T00:00:00.000Z', ${sql.lit(parentJobId)}, nullif(i % 3, 0) FROM series`.execute(
      tx,
    );
    await sql`INSERT INTO farm_queue_entry
        (id, job_id, host_id, meta_host, status, active, complete, aborted, execution_subdir)
      ${start} SELECT ${ids}, ${ids}, 1 + i % 200, 1 + i % 2, 'Completed', 0, 1, 0, '' FROM series`.execute(tx);
    await sql`INSERT INTO farm_job_label (job_id, label_id) ${start} SELECT ${ids}, 1 + i % 2 FROM series`.execute(tx);
    await sql`INSERT INTO farm_job_keyval (id, job_id, key, value)
      ${start} SELECT ${ids}, ${ids}, 'build', '7' FROM series`.execute(tx);
    // PostgreSQL does so by itself, sooner or later; SQLite never does, and must find its ways without.
    if (kind === 'postgres') await sql`ANALYZE`.execute(tx);
  });
}

/** A store that keeps the statements of its sections. */
function recorded(store: Store<FarmTables>, statements: Map<string, CompiledQuery>): Store<FarmTables> {
  const watch = <Db>(db: Db): Db => {
    const handle = db as unknown as Kysely<FarmTables>;
    const recorder: KyselyPlugin = {
      transformQuery: ({ node, queryId }) => {
        const compiled = handle.getExecutor().compileQuery(node, queryId);
        statements.set(compiled.sql, compiled);
        return node;
      },
      transformResult: ({ result }) => Promise.resolve(result),
    };
    return handle.withPlugin(recorder) as unknown as Db;
  };
  const sections: Pick<Store<FarmTables>, 'read' | 'readWrite'> = {
    read: (work, options) => store.read(db => work(watch(db)), options),
    readWrite: (why, work, options) => store.readWrite(why, tx => work(watch(tx)), options),
  };
  return new Proxy(store, {
    get: (_, name) => sections[name as keyof typeof sections],
  });
}

/** The lines of a plan that go through more of a table than is open. */
function breaches(
  kind: 'sqlite' | 'postgres',
  plan: readonly string[],
  aliases: ReadonlyMap<string, string>,
): string[] {
  const scan = kind === 'sqlite' ? /^SCAN (\w+)/ : /Seq Scan on (\w+)/;
  return plan.filter(line => {
    if (OF_ALL_TIMES.test(line)) return true;
    const table = scan.exec(line)?.[1] ?? '';
    return GROWING.includes(aliases.get(table) ?? table) && !line.includes(OF_WHAT_IS_OPEN);
  });
}

/** `entry` of `"farm_queue_entry" as "entry"`. */
function aliasesIn(text: string): Map<string, string> {
  const found = text.matchAll(/"?(farm_\w+)"? AS "?(\w+)"?/gi);
  return new Map([...found].map(([, table = '', alias = '']) => [alias, table]));
}

for (const database of databases.shared) {
  test(`${database.name}: no statement of a heartbeat looks through what grows with all jobs`, async () => {
    await using farm = await openMaster(await database.place());
    const { store } = farm;
    await addPast(farm, database.kind);
    const { id } = await hostOf(farm, 'a0');
    const first = await heartbeat(farm, 'shard-a');
    const jobId = (first.jobs[0] as { id: number }).id;
    const aborted = (first.jobs[1] as { id: number }).id;
    await farm.master.abortJob(aborted);
    await farm.master.createJobs([
      { name: 'late', owner: 'ann', command: 'run it', labels: ['rack-a'], entries: [{ metaHost: 'rack-a' }] },
    ]);
    const [drained = 0] = await farm.master.createHosts([{ hostname: 'drained' }]);
    await store.readWrite('of a label that it had', tx =>
      tx.updateTable('farm_host').set({ shard_id: 1 }).where('id', '=', drained).execute(),
    );
    const upload = await uploadOf(farm, jobId, { ...COMPLETED, execution_subdir: 'results' });

    const statements = new Map<string, CompiledQuery>();
    const watched = { master: new ShardMaster(recorded(store, statements)) };
    const reply = await heartbeat(watched, 'shard-a', {
      ...upload,
      knownJobIds: [aborted],
      busyHostIds: [],
      knownHosts: [
        { id, status: 'Running' },
        { id: 4711, status: 'Running' },
        { id: drained, status: 'Ready' },
      ],
    });
    assert.deepEqual([reply.acknowledgedJobIds, reply.incorrectHostIds], [[jobId], [4711, drained]]);
    assert.ok(reply.jobs.length > OPEN_JOBS && reply.hosts.length > 0 && reply.jobKeyvals.length > 0);

    const written = [...statements.keys()].filter(text => /^update/i.test(text));
    const tables = written.map(text => /^update "(\w+)"/i.exec(text)?.[1]);
    assert.deepEqual(
      [...new Set(tables)].sort(),
      ['farm_host', 'farm_job', 'farm_queue_entry', 'farm_shard_label'],
      'all that a heartbeat can write was recorded',
    );
    for (const { sql: text, parameters } of statements.values()) {
      const { rows } = await store.read(async db => {
        // As far as a disk without moving heads is concerned.
        if (database.kind === 'postgres') await sql`SET LOCAL random_page_cost = 1.1`.execute(db);
        const explain = database.kind === 'sqlite' ? 'EXPLAIN QUERY PLAN' : 'EXPLAIN';
        const query = CompiledQuery.raw(`${explain} ${text}`, [...parameters]);
        return db.getExecutor().executeQuery<Record<string, unknown>>(query);
      });
      const plan = rows.map(row => String(row.detail ?? row['QUERY PLAN']));
      const found = breaches(database.kind, plan, aliasesIn(text));
      assert.deepEqual(found, [], `${text}\n${plan.join('\n')}`);
    }
  });
}
