/** The engine for the database that a store's options name. */
import type { Engine } from './engine.js';
import { openPostgres } from './postgres/postgres-engine.js';
import { openSqlite } from './sqlite/sqlite-engine.js';
import type { StoreSettings } from './store-options.js';

export function openEngine(settings: StoreSettings): Promise<Engine> {
  const { place } = settings;
  return 'url' in place ? openPostgres(place.url, settings) : openSqlite(place, settings);
}
