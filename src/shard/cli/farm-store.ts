/** The store that a command works on. */
import type { Log } from '../../log.js';
import { Store } from '../../store/store.js';
import type { StatsTarget } from '../../stats.js';
import type { FarmTables } from '../farm-tables.js';
import { type Settings, variableOf } from './settings.js';
import { UsageError } from './usage-error.js';

/** Throws UsageError where the settings name no store. */
export async function openStore(settings: Settings, log: Log): Promise<Store<FarmTables>> {
  const { storeFile: file, storeUrl: url } = settings;
  if ((file === undefined) === (url === undefined)) {
    const names = `storeFile (${variableOf('storeFile')}) or storeUrl (${variableOf('storeUrl')})`;
    throw new UsageError(`one store is needed, either ${names}`);
  }
  return Store.open<FarmTables>({ file, url, name: 'farm', log, stats: statsTarget(settings) });
}

/** The same, with the farm's tables in it. */
export async function openFarm(settings: Settings, log: Log): Promise<Store<FarmTables>> {
  const store = await openStore(settings, log);
  try {
    const tables = await store.read(db => db.introspection.getTables(), { name: 'tables' });
    if (tables.some(({ name }) => name === 'farm_host')) return store;
    throw new UsageError("the store has no tables of a farm: make them with 'drone-shard migrate'");
  } catch (error) {
    await store.close();
    throw error;
  }
}

export function statsTarget({ statsHost, statsPort, statsPrefix }: Settings): StatsTarget | undefined {
  return statsHost === undefined ? undefined : { host: statsHost, port: statsPort, prefix: statsPrefix };
}
