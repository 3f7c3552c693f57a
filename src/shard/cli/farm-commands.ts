/** `drone-shard migrate`, `add-shard` and `token`: what is done to a store before heartbeats can be. */
import type { Log } from '../../report/log.js';
import { farmMigrations } from '../records/farm-migrations.js';
import type { FarmTables } from '../records/farm-tables.js';
import { MasterError } from '../wire/master-error.js';
import { ShardMaster } from '../master/shard-master.js';
import { openFarm, openStore } from './open-farm.js';
import type { Settings } from './settings.js';

export async function migrateFarm(settings: Settings, log: Log): Promise<void> {
  await using store = await openStore(settings, log);
  const { applied } = await store.migrate(farmMigrations);
  log.info(applied.length === 0 ? 'the tables are up to date' : `the tables were made: ${applied.join(', ')}`);
}

export async function addShard(
  settings: Settings,
  hostname: string,
  labels: readonly string[],
  log: Log,
): Promise<void> {
  await using store = await openFarm(settings, log);
  const master = new ShardMaster(store, { log });
  const isThere = (await master.listShards()).some(shard => shard.hostname === hostname);
  // So that one that is refused leaves no labels.
  if (!isThere) for (const label of new Set(labels)) await makeLabel(master, label);
  await master.createShard({ hostname, labels });
  log.info(`the shard ${hostname} was added`);
}

/** Where it is missing; another process may be at it as well. */
async function makeLabel(master: ShardMaster<FarmTables>, label: string): Promise<void> {
  try {
    await master.createLabel(label);
  } catch (error) {
    if (!(error instanceof MasterError) || error.code !== 'ERR_EXISTS') throw error;
  }
}

/** On stdout, and nowhere else. */
export async function printToken(settings: Settings, hostname: string, rotate: boolean, log: Log): Promise<void> {
  await using store = await openFarm(settings, log);
  const master = new ShardMaster(store, { log });
  const token = rotate ? await master.rotateToken(hostname) : await master.createToken(hostname);
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(`${token}\n`, error => {
      if (error) reject(new Error(`the token was made, and nobody has read it: make another one`, { cause: error }));
      else resolve();
    });
  });
}
