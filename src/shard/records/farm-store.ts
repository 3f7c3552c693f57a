/** A store that has a farm's tables beside its user's own, and the handles of its sections. */
import type { ReadDb, ReadWriteDb } from '../../store/handles.js';
import type { Store } from '../../store/store.js';
import type { FarmTables } from './farm-tables.js';
import { withMissingTables } from './missing-tables.js';

/** The handle of a section of either kind. */
export type FarmReader = Pick<ReadDb<FarmTables>, 'selectFrom'>;
export type FarmWriter = ReadWriteDb<FarmTables>;

/** Tables that are chosen at run time; `FIELDS` says what their columns hold. */
export type AnyTables = Record<string, Record<string, string | number | null>>;

/** The same store, typed for its farm's tables alone. */
export function farmOf<DB extends FarmTables>(store: Store<DB>): Store<FarmTables> {
  // Kysely's types cannot express that a handle on all tables of DB serves these as well.
  return store as unknown as Store<FarmTables>;
}

/** Writes in a section that may run `work` again, which therefore must do nothing but use the database. */
export function write<T>(farm: Store<FarmTables>, why: string, work: (tx: FarmWriter) => Promise<T>): Promise<T> {
  return farm.readWrite(why, work, { repeatable: true }).catch(rethrow);
}

/** Reads in a section. */
export function read<T>(farm: Store<FarmTables>, name: string, work: (db: FarmReader) => Promise<T>): Promise<T> {
  return farm.read(work, { name }).catch(rethrow);
}

function rethrow(error: unknown): never {
  throw withMissingTables(error);
}

export function anyTables(tx: FarmWriter): ReadWriteDb<AnyTables> {
  return tx as unknown as ReadWriteDb<AnyTables>;
}

export function anyTablesToRead(db: FarmReader): Pick<ReadDb<AnyTables>, 'selectFrom'> {
  return db;
}
