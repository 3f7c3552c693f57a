/** `drone-shard migrate`, `add-shard` and `token`: what is done to a store before heartbeats can be. */
import type { Log } from '../../log.js';
import { farmMigrations } from '../farm-migrations.js';
import { ShardMaster } from '../shard-master.js';
import { openFarm, openStore } from './farm-store.js';
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
  const known = new Set((await master.listLabels()).map(({ name }) => name));
  for (const label of new Set(labels)) if (!known.has(label)) await master.createLabel(label);
  await master.createShard({ hostname, labels });
  log.info(`the shard ${hostname} was added`);
}

/** On stdout, and nowhere else. */
export async function printToken(settings: Settings, hostname: string, rotate: boolean, log: Log): Promise<void> {
  await using store = await openFarm(settings, log);
  const master = new ShardMaster(store, { log });
  const token = rotate ? await master.rotateToken(hostname) : await master.createToken(hostname);
  process.stdout.write(`${token}\n`);
}
