/** Bringing a database's schema up to date: Kysely's migrator, inside of one section. */
import { type Kysely, type Migration, Migrator } from 'kysely';
import { StoreError } from './store-error.js';

/** What `migrate` has done. */
export interface MigrationReport {
  /** Names of the migrations that this call has applied, in order. */
  readonly applied: readonly string[];
}

interface Sections {
  read<T>(work: (db: Kysely<unknown>) => Promise<T>): Promise<T>;
  readWrite<T>(work: (db: Kysely<unknown>) => Promise<T>): Promise<T>;
}

type Migrations = Readonly<Record<string, Migration>>;

/**
 * Another process may be at the same migrations: the one that comes second fails, having begun before the first had
 * committed. It is tried again when the database has changed meanwhile, and only then.
 */
export async function migrate(
  migrations: Migrations,
  attempts: number,
  { read, readWrite }: Sections,
): Promise<MigrationReport> {
  for (let attempt = 1; ; attempt++) {
    const before = await read(db => countExecuted(db, migrations));
    try {
      return await readWrite(db => migrateToLatest(db, migrations));
    } catch (error) {
      // What cannot be looked at counts as unchanged: it is the first error that tells why.
      const now = await read(db => countExecuted(db, migrations)).catch(() => before);
      if (attempt >= attempts || now === before) throw error;
    }
  }
}

async function migrateToLatest(db: Kysely<unknown>, migrations: Migrations): Promise<MigrationReport> {
  const { error, results = [] } = await migratorOf(db, migrations).migrateToLatest();
  if (error !== undefined) {
    const failed = results.find(({ status }) => status === 'Error')?.migrationName;
    const what = failed === undefined ? 'the migrations could not be begun' : `the migration '${failed}' failed`;
    throw new StoreError('ERR_MIGRATION', `${what}; nothing of this run is kept`, { cause: error });
  }
  return { applied: results.map(({ migrationName }) => migrationName) };
}

async function countExecuted(db: Kysely<unknown>, migrations: Migrations): Promise<number> {
  const known = await migratorOf(db, migrations).getMigrations();
  return known.filter(({ executedAt }) => executedAt !== undefined).length;
}

/** Without transactions of its own: the section is one. */
function migratorOf(db: Kysely<unknown>, migrations: Migrations): Migrator {
  return new Migrator({
    db,
    disableTransactions: true,
    provider: { getMigrations: () => Promise.resolve({ ...migrations }) },
  });
}
