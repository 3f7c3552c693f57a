/** Other transactions in the way: sections that are tried again, and such as are not. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events, Store } from 'drone-task-queue/store';
import { leakCheck } from '../../support/leak-check.js';
import { connectOther } from '../../store/postgres/engines.js';
import { Witness } from '../witness.js';
import { testDatabases } from './databases.js';
import { add, idsIn, idsOf, type Items, openItems, storeErrorOf, type Writing } from './items.js';
import { startProgram } from './programs.js';

const databases = testDatabases();
leakCheck();

/** A store, and another client at its database. SQLite has no conflicts: who may write there is alone from the begin on. */
interface Contended extends AsyncDisposable {
  readonly store: Store<Items>;
  /** Commits a row of another client, which what has read the table by now does not see. */
  interfere(): Promise<void>;
  /** Locks the table until `work` has ended. */
  locked(work: () => Promise<void>): Promise<void>;
}

async function openContended(options: { attempts?: number; busyTimeoutMs?: number } = {}): Promise<Contended> {
  const place = await databases.postgres.place();
  const other = await connectOther(place.url ?? '');
  const store = await openItems({ ...place, ...options });
  let lastId = 1000;
  return {
    store,
    async interfere() {
      await other.client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
      await other.client.query('SELECT count(*) FROM item');
      await other.client.query('INSERT INTO item VALUES ($1, $2)', [++lastId, 'theirs']);
      await other.client.query('COMMIT');
    },
    async locked(work) {
      await other.client.query('BEGIN; LOCK TABLE item');
      try {
        await work();
      } finally {
        await other.client.query('ROLLBACK');
      }
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await other[Symbol.asyncDispose]();
    },
  };
}

const ownOf = async (store: Store<Items>): Promise<number[]> => (await idsOf(store)).filter(id => id < 1000);

test('PostgreSQL: a repeatable section is tried again, whole, until nothing is in its way', async () => {
  using retries = new Witness(events.sectionRetry);
  await using contended = await openContended();
  const { store } = contended;
  let runs = 0;
  const seen: number[] = [];
  const value = await store.readWrite(
    'count',
    async tx => {
      seen.push((await idsIn(tx)).length);
      if (++runs <= 2) await contended.interfere();
      await add(tx, runs);
      return runs;
    },
    { repeatable: true },
  );
  assert.equal(value, 3);
  assert.deepEqual(seen, [0, 1, 2]);
  assert.deepEqual(await ownOf(store), [3]);
  assert.deepEqual(
    retries.seen.map(({ store: name, section, writes, attempts }) => ({ name, section, writes, attempts })),
    [1, 2].map(attempts => ({ name: 'store', section: 'count', writes: true, attempts })),
  );
  assert.equal((retries.seen[0]?.error as { code?: string }).code, '40001');
});

test('PostgreSQL: a section that keeps being in conflict fails after its attempts, and one not declared repeatable at once', async () => {
  await using contended = await openContended({ attempts: 3 });
  const { store } = contended;
  for (const [options, wanted, text] of [
    [{ repeatable: true }, 3, /readWrite section 'never' .*, 3 times; nothing was kept/],
    [{}, 1, /; it is not declared repeatable; nothing was kept/],
  ] as const) {
    let runs = 0;
    const work = async (tx: Writing): Promise<void> => {
      await idsIn(tx);
      runs++;
      await contended.interfere();
      await add(tx, runs);
    };
    const { message, cause } = await storeErrorOf(store.readWrite('never', work, options), 'ERR_CONFLICT');
    assert.match(message, text);
    assert.ok(cause instanceof Error);
    assert.equal(runs, wanted);
  }
  assert.deepEqual(await ownOf(store), []);
});

test('PostgreSQL: a conflict counts wherever it shows: swallowed, in an inner section, or at the commit', async () => {
  await using contended = await openContended();
  const { store } = contended;
  const ways: readonly ((tx: Writing, id: number) => Promise<void>)[] = [
    (tx, id) => add(tx, id).catch(() => undefined),
    (_tx, id) => store.readWrite('inner', inner => add(inner, id)),
    (_tx, id) => store.readWrite('inner', inner => add(inner, id)).catch(() => undefined),
  ];
  for (const [at, way] of ways.entries()) {
    let runs = 0;
    await store.readWrite(
      'retried',
      async tx => {
        await idsIn(tx);
        if (++runs === 1) await contended.interfere();
        await way(tx, at + 1);
      },
      { repeatable: true },
    );
    assert.equal(runs, 2);
  }
  let runs = 0;
  const atCommit = store.readWrite(
    'at the commit',
    async tx => {
      await idsIn(tx);
      await add(tx, 4);
      if (++runs === 1) await contended.interfere();
    },
    { repeatable: true },
  );
  await atCommit;
  assert.equal(runs, 2);
  assert.deepEqual(await ownOf(store), [1, 2, 3, 4]);
});

test('PostgreSQL: a section keeps its turn while it is tried again', async () => {
  await using contended = await openContended();
  const { store } = contended;
  const order: string[] = [];
  let runs = 0;
  await Promise.all([
    store.readWrite(
      'first',
      async tx => {
        order.push('first');
        await idsIn(tx);
        if (++runs === 1) await contended.interfere();
        await add(tx, 1);
      },
      { repeatable: true },
    ),
    store.readWrite('second', async () => void order.push('second')),
  ]);
  assert.deepEqual(order, ['first', 'first', 'second']);
});

test('PostgreSQL: a lock that is not had in time is a conflict', async () => {
  await using contended = await openContended({ attempts: 2, busyTimeoutMs: 20 });
  const { store } = contended;
  let runs = 0;
  await contended.locked(async () => {
    const section = store.readWrite(
      'wait',
      async tx => {
        runs++;
        await add(tx, 1);
      },
      { repeatable: true },
    );
    await storeErrorOf(section, 'ERR_CONFLICT');
  });
  assert.equal(runs, 2);
  await store.readWrite('free', tx => add(tx, 2));
  assert.deepEqual(await ownOf(store), [2]);
});

test('PostgreSQL: a server that has no connection to spare is busy, and nothing has run', async () => {
  const { url = '' } = await databases.postgres.place();
  const server = databases.server();
  {
    await using other = await connectOther(url);
    await other.client.query(`CREATE ROLE guest LOGIN PASSWORD '${server.password}' CONNECTION LIMIT 1`);
    await other.client.query('GRANT ALL ON SCHEMA public TO guest');
  }
  // The section that reads has the one connection.
  await using store = await Store.open<Items>({ url: server.through(url, { username: 'guest' }), busyTimeoutMs: 1000 });
  await store.read(async () => {
    const section = store.readWrite('crowded', () => assert.fail('it ran'), { ownTransaction: true });
    const { message } = await storeErrorOf(section, 'ERR_STORE_BUSY');
    assert.match(message, /readWrite section 'crowded' .*could not begin, nothing has run: other processes held/);
  });
});

test('SQLite file: a section waits for another process that writes, and fails as busy when that takes too long', async () => {
  const place = await databases.sqliteFile.place();
  await (await openItems(place)).close();
  await using holder = startProgram('hold', place);
  assert.equal(await holder.line(), 'held');
  await using impatient = await Store.open<Items>({ ...place, busyTimeoutMs: 20 });
  for (const options of [{}, { repeatable: true }]) {
    const section = impatient.readWrite('hurry', () => assert.fail('it ran'), options);
    const { message, cause } = await storeErrorOf(section, 'ERR_STORE_BUSY');
    assert.match(message, /readWrite section 'hurry' .*nothing has run: other processes held the database for 20 ms/);
    assert.match(String(cause), /database is locked/);
  }
  assert.deepEqual(await idsOf(impatient), []);

  await using patient = await Store.open<Items>({ ...place, busyTimeoutMs: 120_000 });
  const waiting = patient.readWrite('wait', tx => add(tx, 1));
  assert.deepEqual(await idsOf(patient), []);
  holder.go();
  await waiting;
  assert.equal(await holder.ended(), '0');
  await impatient.readWrite('free', tx => add(tx, 2));
  assert.deepEqual(await idsOf(impatient), [1, 2]);
});
