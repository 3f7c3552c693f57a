/** Shards and their master through random histories: lost, doubled and late messages, deaths in between, and all is well. */
import test, { after, before } from 'node:test';
import type { FarmTables } from 'drone-task-queue/shard';
import type { Store } from 'drone-task-queue/store';
import { sql } from 'kysely';
import { Dice } from '../../soak/dice.js';
import { leakCheck } from '../leak-check.js';
import { openMaster } from './master/masters.js';
import { History, type Stores } from './model/history.js';

/** `SHARD_HISTORIES=1000` for a long run; `SHARD_SEED` and one history to see one again. */
const HISTORIES = Number(process.env['SHARD_HISTORIES'] ?? 40);
const SEED = Number(process.env['SHARD_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const SHARDS = 2;

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

let stores: Stores;
let closing: AsyncDisposable[] = [];
before(async () => {
  const farms = await Promise.all(Array.from({ length: SHARDS + 1 }, () => openMaster({ memory: true })));
  closing = farms;
  const [master, ...shards] = farms.map(({ store }) => store);
  if (master !== undefined) stores = { master, shards };
});
after(() => Promise.all(closing.map(farm => farm[Symbol.asyncDispose]())));
leakCheck();

async function clear(store: Store<FarmTables>): Promise<void> {
  await store.readWrite('clear', async tx => {
    for (const table of TABLES) await sql`DELETE FROM ${sql.table(table)}`.execute(tx);
  });
}

test(`no finished job is lost or told otherwise, none has two shards, and all comes to rest, from seed ${String(SEED)} on`, async () => {
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    await Promise.all([stores.master, ...stores.shards].map(clear));
    const history = new History(new Dice(seed), stores);
    try {
      await history.run();
    } catch (error) {
      throw new Error(`SHARD_SEED=${String(seed)} SHARD_HISTORIES=1\n${history.told.join('\n')}`, { cause: error });
    }
  }
});
