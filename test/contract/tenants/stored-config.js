/** A list of tenants that processes publish to each other in a store. */

/** @typedef {import('drone-task-queue/tenants/store').TenantTables & { published: { ltime: number, tenants: string } }} Tables */

/** A migration. */
export const publishedTable = {
  /** @param {import('kysely').Kysely<never>} db */
  async up(db) {
    const table = db.schema.createTable('published').addColumn('ltime', 'integer', column => column.primaryKey());
    await table.addColumn('tenants', 'text', column => column.notNull()).execute();
  },
};

/** A SystemSource. */
export class StoredConfig {
  #store;
  /** How often it was read whole. */
  reads = 0;

  /** @param {import('drone-task-queue/store').Store<Tables>} store */
  constructor(store) {
    this.#store = store;
  }

  /** @param {import('drone-task-queue/tenants').SystemConfig} config */
  async publish({ ltime, tenants }) {
    const row = { ltime, tenants: JSON.stringify(tenants) };
    await this.#store.readWrite('publish tenants', tx => tx.insertInto('published').values(row).execute());
  }

  async ltime() {
    return (await this.#newest()).ltime;
  }

  async read() {
    this.reads += 1;
    const { ltime, tenants } = await this.#newest();
    return { ltime, tenants: /** @type {import('drone-task-queue/tenants').TenantConfig[]} */ (JSON.parse(tenants)) };
  }

  #newest() {
    return this.#store.read(db =>
      db.selectFrom('published').selectAll().orderBy('ltime', 'desc').limit(1).executeTakeFirstOrThrow(),
    );
  }
}
