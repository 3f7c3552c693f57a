/** What can go wrong with a store or a section of it. */

/**
 * Why a store refused or failed.
 *
 * - `ERR_READ_ONLY`: see {@link ReadOnlyViolation}.
 * - `ERR_STATEMENT_REFUSED`: a statement that would end the section's transaction, or reach beyond it.
 * - `ERR_SECTION_BROKEN`: a statement of the section has failed (`cause`), so the section can only fail: nothing is kept.
 * - `ERR_UNAWAITED_WORK`: the section's callback ended before a statement or an inner section that it had started;
 *   nothing is kept.
 * - `ERR_SECTION_NESTING`: a section was asked for inside another one in a combination that is not allowed.
 * - `ERR_CONFLICT`: other transactions were in the way (`cause`), each time it was tried; nothing is kept. Sections that
 *   are declared `repeatable` are tried again before.
 * - `ERR_STORE_BUSY`: other processes held the database for longer than `busyTimeoutMs`; nothing has run.
 * - `ERR_COMMIT_FAILED`: the database refused the commit (`cause`), as with a deferred constraint; nothing is kept.
 * - `ERR_COMMIT_UNKNOWN`: the connection went away during the commit: whether it was done is not known.
 * - `ERR_STORE_LOST`: the connection went away before the commit, or none was to be had (`cause`); nothing is kept.
 * - `ERR_STORE_CLOSED`: the store is closed, or about to be.
 * - `ERR_STORE_OPEN`: the database could not be opened (`cause`).
 * - `ERR_PACKAGE_MISSING`: a package that this kind of store needs is not installed; the message has the command.
 * - `ERR_MIGRATION`: a migration failed (`cause`); nothing of this run is kept.
 */
export type StoreErrorCode =
  | 'ERR_READ_ONLY'
  | 'ERR_STATEMENT_REFUSED'
  | 'ERR_SECTION_BROKEN'
  | 'ERR_UNAWAITED_WORK'
  | 'ERR_SECTION_NESTING'
  | 'ERR_CONFLICT'
  | 'ERR_STORE_BUSY'
  | 'ERR_COMMIT_FAILED'
  | 'ERR_COMMIT_UNKNOWN'
  | 'ERR_STORE_LOST'
  | 'ERR_STORE_CLOSED'
  | 'ERR_STORE_OPEN'
  | 'ERR_PACKAGE_MISSING'
  | 'ERR_MIGRATION';

/** A store or a section of it failed. `code` says how, `cause` is the database's own error where there is one. */
export class StoreError extends Error {
  override readonly name: string = 'StoreError';
  readonly code: StoreErrorCode;

  /** @internal */
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A write where the policy is read-only: refused by the database. Nothing of its section was written. */
export class ReadOnlyViolation extends StoreError {
  override readonly name = 'ReadOnlyViolation';
  /** The statement's text; values are not in it. */
  readonly statement: string;
  /** Where the section was opened: `file:line:column`. */
  readonly openedAt: string;

  /** @internal */
  constructor(statement: string, title: string, openedAt: string, cause: unknown) {
    super('ERR_READ_ONLY', `a write in the ${title}: ${shortened(statement)}`, { cause });
    this.statement = statement;
    this.openedAt = openedAt;
  }
}

const SHOWN_CHARS = 200;

/** On one line, cut where it is long. */
export function shortened(statement: string): string {
  const line = statement.replace(/\s+/g, ' ').trim();
  return line.length > SHOWN_CHARS ? `${line.slice(0, SHOWN_CHARS)}…` : line;
}
