/** A database that is gone in mid-section: a thread that dies, a connection that is cut. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Log, Store, StoreOptions } from 'drone-task-queue/store';
import { Gate } from 'drone-task-queue/testing';
import pg from 'pg';
import { leakCheck } from '../../support/leak-check.js';
import { rejectionOf } from '../rejections.js';
import { testDatabases } from './databases.js';
import { add, idsIn, idsOf, type Items, openItems, run, storeErrorOf } from './items.js';

const databases = testDatabases();
leakCheck();

/** Where Node tells of each thread that it starts. */
const CHANNEL = 'worker_threads';

/** A store, and a way to take the connections of its open sections away from it. */
interface Doomed extends AsyncDisposable {
  readonly store: Store<Items>;
  readonly errors: readonly string[];
  kill(): Promise<void>;
}

async function openDoomed(place: StoreOptions): Promise<Doomed> {
  const workers: Worker[] = [];
  const note = (message: unknown): void => void workers.push((message as { worker: Worker }).worker);
  subscribe(CHANNEL, note);
  const errors: string[] = [];
  const log: Log = { debug() {}, info() {}, warn() {}, error: message => void errors.push(message) };
  const store = await openItems({ ...place, log, name: 'doomed' });
  return {
    store,
    errors,
    async kill() {
      if (place.url === undefined) {
        await Promise.all(workers.splice(0).map(worker => worker.terminate()));
        return;
      }
      const client = new pg.Client(place.url);
      await client.connect();
      const others = 'datname = current_database() AND pid <> pg_backend_pid()';
      await client.query(`SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE ${others}`);
      await client.end();
    },
    async [Symbol.asyncDispose]() {
      unsubscribe(CHANNEL, note);
      await store.close();
    },
  };
}

for (const database of databases.all) {
  test(`${database.name}: a section whose connection goes away fails, keeps nothing, and the store works again`, async () => {
    await using doomed = await openDoomed(await database.place());
    const { store } = doomed;
    await store.readWrite('first', tx => add(tx, 1));
    const writing = store.readWrite(
      'doomed',
      async tx => {
        await add(tx, 2);
        await doomed.kill();
        const { message } = await storeErrorOf(add(tx, 3), 'ERR_STORE_LOST');
        assert.match(message, /the database was lost during the readWrite section 'doomed' .*nothing was kept/);
        await storeErrorOf(add(tx, 4), 'ERR_SECTION_BROKEN');
      },
      { repeatable: true },
    );
    await storeErrorOf(writing, 'ERR_STORE_LOST');
    assert.deepEqual(await idsOf(store), [1]);
    await store.readWrite('next', tx => add(tx, 5));
    assert.deepEqual(await idsOf(store), [1, 5]);
  });

  test(`${database.name}: a connection that goes away in an inner section takes the outer one along`, async () => {
    await using doomed = await openDoomed(await database.place());
    const { store } = doomed;
    for (const policy of ['read', 'readWrite'] as const) {
      const outer = store.readWrite('outer', async tx => {
        await add(tx, 1);
        const inner = async (db: typeof tx): Promise<void> => {
          await idsIn(db);
          await doomed.kill();
          await idsIn(db);
        };
        const lost = policy === 'read' ? store.read(db => inner(db as typeof tx)) : store.readWrite('inner', inner);
        await storeErrorOf(lost, 'ERR_STORE_LOST');
        await storeErrorOf(add(tx, 2), 'ERR_SECTION_BROKEN');
      });
      await storeErrorOf(outer, 'ERR_STORE_LOST');
    }
    assert.deepEqual(await idsOf(store), []);
  });

  test(`${database.name}: whether a commit was done is not known when its connection is gone`, async () => {
    await using doomed = await openDoomed(await database.place());
    const { store } = doomed;
    const section = store.readWrite('doomed', async tx => {
      await add(tx, 1);
      await doomed.kill();
    });
    const { message } = await storeErrorOf(section, 'ERR_COMMIT_UNKNOWN');
    assert.match(message, /during the commit of the readWrite section 'doomed' .*unknown whether the commit happened/);
    await store.readWrite('next', tx => add(tx, 2));
    assert.ok((await idsOf(store)).includes(2));
  });

  test(`${database.name}: sections that read lose their connections too, and those after them get new ones`, async () => {
    await using doomed = await openDoomed({ ...(await database.place()), readConnections: 2 });
    const { store } = doomed;
    const gate = new Gate();
    const reads = [1, 2].map(() =>
      store.read(async db => {
        await gate.wait();
        return idsIn(db);
      }),
    );
    await gate.arrived(2);
    const waiting = [3, 4].map(() => idsOf(store));
    await doomed.kill();
    const lost = Promise.all(reads.map(read => storeErrorOf(read, 'ERR_STORE_LOST')));
    gate.open();
    await lost;
    assert.deepEqual(await Promise.all(waiting), [[], []]);
    await store.readWrite('next', tx => add(tx, 1));
    assert.deepEqual(await idsOf(store), [1]);
  });

  test(`${database.name}: a connection that goes away while it is unused is replaced`, async () => {
    await using doomed = await openDoomed(await database.place());
    const { store, errors } = doomed;
    await idsOf(store);
    await doomed.kill();
    await store.readWrite('next', tx => add(tx, 1));
    assert.deepEqual(await idsOf(store), [1]);
    if (database.kind === 'sqlite') {
      assert.deepEqual([...errors].sort(), [
        'doomed: the thread of the readers is gone',
        'doomed: the thread of the writer is gone',
      ]);
    }
  });

  test(`${database.name}: a statement that the database cannot answer any more ends with its thread or connection`, async () => {
    await using doomed = await openDoomed(await database.place());
    const { store } = doomed;
    const endless =
      database.kind === 'sqlite'
        ? 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n'
        : 'SELECT pg_sleep(3600)';
    let statement: Promise<unknown> = Promise.resolve();
    const section = store.read(async db => {
      await idsIn(db);
      statement = rejectionOf(run(db, endless));
      await doomed.kill();
      await statement;
    });
    await storeErrorOf(section, 'ERR_STORE_LOST');
    assert.deepEqual(await idsOf(store), []);
  });
}
