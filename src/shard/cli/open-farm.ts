import { DEFAULT_MIGRATION_TABLE, sql } from 'kysely';
import type { Log } from '../../report/log.js';
import type { ReadDb } from '../../store/handles.js';
import { Store } from '../../store/store.js';
import type { StatsTarget } from '../../report/metrics-target.js';
import { farmMigrations } from '../records/farm-migrations.js';
import type { FarmTables } from '../records/farm-tables.js';
import { type Settings, UsageError, variableOf } from './settings.js';

/** Throws a UsageError unless the settings name one store. */
export async function openStore(settings: Settings, log: Log): Promise<Store<FarmTables>> {
  const { storeFile: file, storeUrl: url } = settings;
  if ((file === undefined) === (url === undefined)) {
    const names = `storeFile (${variableOf('storeFile')}) or storeUrl (${variableOf('storeUrl')})`;
    throw new UsageError(`one store is needed, either ${names}`);
  }
  return Store.open<FarmTables>({ file, url, name: 'farm', log, stats: statsTarget(settings) });
}

/** As `openStore`, for a store that has the farm's tables. */
export async function openFarm(settings: Settings, log: Log): Promise<Store<FarmTables>> {
  const store = await openStore(settings, log);
  try {
    const missing = await store.read(missingMigrations, { name: 'migrations' });
    if (missing.length === 0) return store;
    const what = "the store lacks tables of a farm: create them with 'drone-shard migrate'";
    throw new UsageError(`${what} (${missing.join(', ')})`);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function missingMigrations(db: ReadDb<FarmTables>): Promise<string[]> {
  const wanted = Object.keys(farmMigrations);
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === DEFAULT_MIGRATION_TABLE)) return wanted;
  const query = sql<{ name: string }>`SELECT name FROM ${sql.table(DEFAULT_MIGRATION_TABLE)}`;
  const applied = (await query.execute(db)).rows.map(({ name }) => name);
  return wanted.filter(name => !applied.includes(name));
}

export function statsTarget({ statsHost, statsPort, statsPrefix }: Settings): StatsTarget | undefined {
  return statsHost === undefined ? undefined : { host: statsHost, port: statsPort, prefix: statsPrefix };
}
