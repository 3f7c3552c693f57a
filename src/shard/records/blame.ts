/** Whether the tables themselves are to blame for a database's error, and no record. */

/** SQLite's primary codes of an error in a statement, as for a missing table or column, and of a damaged file. */
const SQLITE_TABLES = [1, 11, 26];
/** PostgreSQL's classes of unknown or forbidden tables and columns, and of internal errors such as a damaged index. */
const POSTGRES_TABLES = /^(42|XX)/;
/** Messages of \@photostructure/sqlite, which reports no code for statements that return rows. */
const SQLITE_MESSAGES = /^(no such (table|column)|table \S+ has no column|database disk image is malformed)/;

export function isOfTables(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code, errcode, message } = each as { code?: unknown; errcode?: unknown; message: string };
    if (typeof errcode === 'number' && SQLITE_TABLES.includes(errcode & 0xff)) return true;
    if (SQLITE_MESSAGES.test(message)) return true;
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && POSTGRES_TABLES.test(code)) return true;
  }
  return false;
}
