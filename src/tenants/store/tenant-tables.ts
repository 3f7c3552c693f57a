/** What schedulers keep together in a database, and how its tables are made. */
import type { ColumnType, Kysely } from 'kysely';

/** For the tables of a store: `Store<Farm & TenantTables>`. An ltime has 64 bits, which PostgreSQL gives as a string. */
export interface TenantTables {
  /** One row: the ltime that was given last. */
  tenant_clock: { id: number; ltime: ColumnType<number | string, number, number | string> };
  /** The newest search of each branch. */
  tenant_files: {
    project: string;
    branch: string;
    ltime: ColumnType<number | string, number, number | string>;
    /** JSON: a list of paths. */
    extra_paths: string;
    /** JSON: a list of `[path, text or null]`. */
    files: string;
  };
  /** One row, once a list of tenants was published: the newest. */
  tenant_system: {
    id: number;
    ltime: ColumnType<number | string, number, number | string>;
    /** JSON: a list of tenants. */
    tenants: string;
  };
}

/**
 * A migration, for those of your store, under a name of yours: `store.migrate({ …, '2026-02-tenants': tenantTables })`.
 * It makes the tables that are not there: if a later version of this package has more of them, give it another name as well.
 */
export const tenantTables = {
  async up(db: Kysely<never>): Promise<void> {
    const own = db as unknown as Kysely<TenantTables>;
    await own.schema
      .createTable('tenant_clock')
      .ifNotExists()
      .addColumn('id', 'integer', column => column.primaryKey())
      .addColumn('ltime', 'bigint', column => column.notNull())
      .execute();
    await own
      .insertInto('tenant_clock')
      .values({ id: 1, ltime: 0 })
      .onConflict(row => row.column('id').doNothing())
      .execute();
    await own.schema
      .createTable('tenant_files')
      .ifNotExists()
      .addColumn('project', 'text', column => column.notNull())
      .addColumn('branch', 'text', column => column.notNull())
      .addColumn('ltime', 'bigint', column => column.notNull())
      .addColumn('extra_paths', 'text', column => column.notNull())
      .addColumn('files', 'text', column => column.notNull())
      .addPrimaryKeyConstraint('tenant_files_of_branch', ['project', 'branch'])
      .execute();
    await own.schema
      .createTable('tenant_system')
      .ifNotExists()
      .addColumn('id', 'integer', column => column.primaryKey())
      .addColumn('ltime', 'bigint', column => column.notNull())
      .addColumn('tenants', 'text', column => column.notNull())
      .execute();
  },
};
