import type { ColumnType, Kysely } from 'kysely';

/**
 * The tables of tenants in a store: `Store<Farm & TenantTables>`. PostgreSQL returns the 64 bits of an ltime as a
 * string.
 */
export interface TenantTables {
  /** One row: the last ltime. */
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
  /** The newest state of each tenant's layout. */
  tenant_layouts: {
    tenant: string;
    ltime: ColumnType<number | string, number, number | string>;
    /** JSON: a list of `[project, branch, ltime]`. */
    min_ltimes: string;
    /** The ltime of the newest list of tenants that is known to contain the tenant. */
    list_ltime: ColumnType<number | string, number, number | string>;
  };
  /** One row, once a list of tenants has been published: the newest list. */
  tenant_system: {
    id: number;
    ltime: ColumnType<number | string, number, number | string>;
    /** JSON: a list of tenants. */
    tenants: string;
  };
}

/**
 * A migration to which you give a name: `store.migrate({ …, '2026-02-tenants': tenantTables })`. It creates missing
 * tables: if a later version of this package has more tables, run it again under another name.
 */
export const tenantTables = {
  /** Creates the tables that are missing. */
  async up(db: Kysely<unknown>): Promise<void> {
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
      .createTable('tenant_layouts')
      .ifNotExists()
      .addColumn('tenant', 'text', column => column.primaryKey())
      .addColumn('ltime', 'bigint', column => column.notNull())
      .addColumn('min_ltimes', 'text', column => column.notNull())
      .addColumn('list_ltime', 'bigint', column => column.notNull())
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
