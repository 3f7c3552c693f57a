/** Compiled, never run: what the types of the store let through, and what they refuse. */
/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-member-access -- what is refused has no type */
import type { ReadDb, ReadWriteDb, Store } from 'drone-task-queue/store';
import type { Items } from './items.js';

export async function reading(store: Store<Items>, db: ReadDb<Items>): Promise<number[]> {
  const rows = await db.selectFrom('item').innerJoin('part', 'part.item', 'item.id').select('item.id').execute();
  await db
    .with('named', creator => creator.selectFrom('item').select('name'))
    .selectFrom('named')
    .select('name')
    .execute();
  await db.selectNoFrom(({ val }) => val(1).as('one')).execute();
  await db.withSchema('farm').selectFrom('item').selectAll().execute();
  // @ts-expect-error -- a handle that reads has nothing that writes
  db.insertInto('item');
  // @ts-expect-error -- nothing
  db.updateTable('item');
  // @ts-expect-error -- nothing
  db.deleteFrom('item');
  // @ts-expect-error -- nothing
  db.replaceInto('item');
  // @ts-expect-error -- nothing
  db.mergeInto('item');
  // @ts-expect-error -- nor what changes tables
  db.schema.createTable('other');
  // @ts-expect-error -- nor what begins a transaction
  db.transaction();
  // @ts-expect-error -- or ends the connection
  await db.destroy();
  // @ts-expect-error -- nor in another schema
  db.withSchema('farm').deleteFrom('item');
  // @ts-expect-error -- nor in a common table expression
  db.with('gone', creator => creator.deleteFrom('item').returningAll());
  // @ts-expect-error -- nor behind one
  db.with('named', creator => creator.selectFrom('item').selectAll()).insertInto('item');
  // @ts-expect-error -- tables are those of the schema
  db.selectFrom('jobs');
  // @ts-expect-error -- and columns
  db.selectFrom('item').select('status');
  // @ts-expect-error -- a section that reads is given no handle that writes
  await store.read((tx: ReadWriteDb<Items>) => tx.deleteFrom('item').execute());
  return rows.map(({ id }) => id);
}

export async function writing(store: Store<Items>, tx: ReadWriteDb<Items>): Promise<void> {
  await tx.insertInto('item').values({ id: 1, name: 'one' }).execute();
  await tx.schema.createTable('other').addColumn('id', 'integer').execute();
  await tx.withSchema('farm').deleteFrom('item').execute();
  // @ts-expect-error -- a section is a transaction already
  tx.transaction();
  // @ts-expect-error -- already
  tx.startTransaction();
  // @ts-expect-error -- on one connection
  tx.connection();
  // @ts-expect-error -- which is the store's to end
  await tx.destroy();
  // @ts-expect-error -- the store's
  await tx[Symbol.asyncDispose]();
  // @ts-expect-error -- nor by way of another schema
  tx.withSchema('farm').transaction();
  // @ts-expect-error -- values are those of the columns
  tx.insertInto('item').values({ id: 'one', name: 'one' });
  // @ts-expect-error -- a section that writes says why
  await store.readWrite(async () => undefined);
  // @ts-expect-error -- what it gives must be waited for
  await store.readWrite('why', () => 5);
  const counted: number = await store.readWrite('why', async () => 5, { repeatable: undefined });
  // @ts-expect-error -- the value's type is kept
  const wrong: string = await store.read(async () => counted);
  // @ts-expect-error -- options are checked by name
  await store.readWrite('why', async () => wrong, { retry: true });
}
