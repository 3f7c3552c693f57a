/** Says of a database's error that the tables of a farm are missing, and how to make them. */

const POSTGRES_NO_TABLE = '42P01';
const SQLITE_NO_TABLE = /no such table: (?:main\.)?(farm_\w+)/;
const MEND = "apply farmMigrations with store.migrate, or run 'drone-shard migrate'";

/** The error, or one with the reason in front and the same `code`. */
export function withMissingTables(error: unknown): unknown {
  if (!(error instanceof Error) || error.cause instanceof Error) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const table = code === POSTGRES_NO_TABLE ? /farm_\w+/.exec(message)?.[0] : SQLITE_NO_TABLE.exec(message)?.[1];
  if (table === undefined) return error;
  const text = `the store has no table '${table}' of a farm: ${MEND} (${message})`;
  return Object.assign(new Error(text, { cause: error }), code === undefined ? {} : { code });
}
