/** A schema for tests of the store, and what they do with it. */
import assert from 'node:assert/strict';
import {
  type ReadDb,
  type ReadWriteDb,
  Store,
  StoreError,
  type StoreErrorCode,
  type StoreOptions,
} from 'drone-task-queue/store';
import { sql } from 'kysely';
import { rejectionOf } from '../rejections.js';

export interface Items {
  item: { id: number; name: string };
  /** Of an item, which must be there when the transaction is committed. */
  part: { id: number; item: number };
}

export type Reading = ReadDb<Items>;
export type Writing = ReadWriteDb<Items>;

const TABLES = [
  'CREATE TABLE IF NOT EXISTS item (id integer PRIMARY KEY, name text NOT NULL)',
  `CREATE TABLE IF NOT EXISTS part (
     id integer PRIMARY KEY,
     item integer NOT NULL REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED
   )`,
];

/** A store with these tables, which are empty in a new database. */
export async function openItems(options: StoreOptions): Promise<Store<Items>> {
  const store = await Store.open<Items>(options);
  try {
    await store.readWrite('make tables', async tx => {
      for (const text of TABLES) await run(tx, text);
    });
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** One statement, as text: whatever the types would say to it. */
export async function run(db: Reading | Writing, text: string): Promise<unknown[]> {
  return (await sql.raw(text).execute(db)).rows;
}

export async function add(db: Reading | Writing, id: number, name = 'one'): Promise<void> {
  await (db as Writing).insertInto('item').values({ id, name }).execute();
}

/** A part of an item that is not there: the commit will be refused. */
export async function addDangling(db: Reading | Writing, id: number): Promise<void> {
  await (db as Writing).insertInto('part').values({ id, item: -id }).execute();
}

export async function idsIn(db: Reading | Writing): Promise<number[]> {
  const rows = await db.selectFrom('item').select('id').orderBy('id').execute();
  return rows.map(({ id }) => id);
}

/** What is committed. */
export function idsOf(store: Store<Items>): Promise<number[]> {
  return store.read(idsIn);
}

/** The StoreError that a section, or a statement in one, rejects with. */
export async function storeErrorOf(promise: Promise<unknown>, code: StoreErrorCode): Promise<StoreError> {
  const error = await rejectionOf(promise);
  if (!(error instanceof StoreError)) throw error;
  assert.equal(error.code, code, error.message);
  return error;
}
