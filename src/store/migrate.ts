/** Applies migrations by Kysely's migrator, inside one section. */
import { type Kysely, type Migration, Migrator } from 'kysely';
import { StoreError } from './store-error.js';

/** The result of `migrate`. */
export interface MigrationReport {
  /** Names of the migrations that this call has applied, in order. */
  readonly applied: readonly string[];
}

interface Sections {
  read<T>(work: (db: Kysely<unknown>) => Promise<T>): Promise<T>;
  readWrite<T>(work: (db: Kysely<unknown>) => Promise<T>): Promise<T>;
}

/** Kysely's words for a list that does not begin with all that was applied. */
const CORRUPTED = 'corrupted migrations';
const MEND =
  'Pass all migrations of the store in each call, as in { ...farmMigrations, ...mine }, the applied ones first';

type Migrations = Readonly<Record<string, Migration>>;

/** Retries only after the database has changed meanwhile: another process may have applied the same migrations first. */
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
      // If the look fails, the first error says why.
      const now = await read(db => countExecuted(db, migrations)).catch(() => before);
      if (attempt >= attempts || now === before) throw error;
    }
  }
}

async function migrateToLatest(db: Kysely<unknown>, migrations: Migrations): Promise<MigrationReport> {
  const { error, results = [] } = await migratorOf(db, migrations).migrateToLatest();
  if (error !== undefined) {
    const failed = results.find(({ status }) => status === 'Error')?.migrationName;
    const what = failed === undefined ? 'the migrations could not be started' : `the migration '${failed}' failed`;
    const why = error instanceof Error ? error.message : JSON.stringify(error);
    const mend = failed === undefined && why.startsWith(CORRUPTED) ? `. ${MEND}` : '';
    throw new StoreError('ERR_MIGRATION', `${what}; nothing of this run is kept: ${why}${mend}`, { cause: error });
  }
  return { applied: results.map(({ migrationName }) => migrationName) };
}

async function countExecuted(db: Kysely<unknown>, migrations: Migrations): Promise<number> {
  const known = await migratorOf(db, migrations).getMigrations();
  return known.filter(({ executedAt }) => executedAt !== undefined).length;
}

/** Without its own transactions, because the section is one. */
function migratorOf(db: Kysely<unknown>, migrations: Migrations): Migrator {
  return new Migrator({
    db,
    disableTransactions: true,
    provider: { getMigrations: () => Promise.resolve({ ...migrations }) },
  });
}
