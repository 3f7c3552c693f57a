/** Shards and their master through random histories: lost, doubled and late messages, deaths in between, and all is well. */
import test from 'node:test';
import type { FarmTables } from 'drone-task-queue/shard';
import type { Store } from 'drone-task-queue/store';
import { sql } from 'kysely';
import { Dice } from '../soak/dice.js';
import { type TestDatabase, testDatabases } from '../contract/store/databases.js';
import { leakCheck } from '../support/leak-check.js';
import { type Farm, openMaster } from './master/masters.js';
import { History, type Stores } from './model/history.js';

/** `SHARD_HISTORIES=1000` for a long run; `SHARD_SEED` and one history to see one again. */
const GIVEN = process.env['SHARD_HISTORIES'];
const SEED = Number(process.env['SHARD_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const SHARDS = 2;

const databases = testDatabases();
leakCheck();

/** Each may point to those behind it. */
const TABLES: readonly (keyof FarmTables)[] = [
  'farm_queue_entry',
  'farm_job_label',
  'farm_job_keyval',
  'farm_job',
  'farm_host_label',
  'farm_host_attribute',
  'farm_acl_group_host',
  'farm_host',
  'farm_shard_label',
  'farm_label',
  'farm_shard',
  'farm_sequence',
];

async function openStores(database: TestDatabase): Promise<Stores & AsyncDisposable> {
  const open = async (): Promise<Farm> => openMaster(await database.place());
  const [master, ...shards] = [await open(), ...(await Promise.all(Array.from({ length: SHARDS }, open)))] as const;
  return {
    master: master.store,
    shards: shards.map(({ store }) => store),
    async [Symbol.asyncDispose]() {
      await Promise.all([master, ...shards].map(farm => farm[Symbol.asyncDispose]()));
    },
  };
}

async function clear(store: Store<FarmTables>): Promise<void> {
  await store.readWrite('clear', async tx => {
    for (const table of TABLES) await sql`DELETE FROM ${sql.table(table)}`.execute(tx);
  });
}

/** How many histories each has by default: as many as take some seconds. */
const HISTORIES: readonly (readonly [database: TestDatabase, histories: number])[] = [
  [databases.sqliteMemory, 40],
  [databases.postgres, 5],
];

for (const [database, histories] of HISTORIES) {
  test(`${database.name}: no finished job is lost or told otherwise, none has two shards, and all comes to rest, from seed ${String(SEED)} on`, async () => {
    await using stores = await openStores(database);
    for (let seed = SEED; seed < SEED + Number(GIVEN ?? histories); seed++) {
      await Promise.all([stores.master, ...stores.shards].map(clear));
      const history = new History(new Dice(seed), stores);
      try {
        await history.run();
      } catch (error) {
        const again = `SHARD_SEED=${String(seed)} SHARD_HISTORIES=1 on ${database.name}`;
        throw new Error(`${again}\n${history.told.join('\n')}`, { cause: error });
      }
    }
  });
}
