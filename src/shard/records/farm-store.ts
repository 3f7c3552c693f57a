/** A store that has a farm's tables, among others of its user's. */
import type { Store } from '../../store/store.js';
import type { FarmTables } from './farm-tables.js';

/** The same store, for its farm's tables alone. */
export function farmOf<DB extends FarmTables>(store: Store<DB>): Store<FarmTables> {
  // Its handles know all tables of DB, which Kysely's types, made of DB through and through, cannot show.
  return store as unknown as Store<FarmTables>;
}
