/** Statements that a section must not make, judged by their first words. */

const ENDS_TRANSACTION = ['ABORT', 'BEGIN', 'COMMIT', 'END', 'PREPARE', 'RELEASE', 'ROLLBACK', 'SAVEPOINT', 'START'];
const CHANGES_SESSION = ['DEALLOCATE', 'DISCARD', 'LISTEN', 'LOAD', 'RESET', 'SET', 'UNLISTEN'];
const REFUSED = new Set([...ENDS_TRANSACTION, ...CHANGES_SESSION]);

/** These last as long as the transaction; the server itself refuses the way from READ ONLY to READ WRITE. */
const OF_THE_TRANSACTION = new Set(['SET LOCAL', 'SET TRANSACTION', 'SET CONSTRAINTS']);

/**
 * Whether a statement that begins so, in capitals, ends the transaction or changes the session beyond it. Functions
 * (`set_config`, `pg_advisory_lock`) are not seen: for them the connection is reset after each transaction.
 */
export function refuses(firstWords: string): boolean {
  const [first = '', second = ''] = firstWords.split(' ');
  return REFUSED.has(first) && !OF_THE_TRANSACTION.has(`${first} ${second}`);
}
