/**
 * Why a store refused or failed.
 *
 * - `ERR_READ_ONLY`: a section that only reads tried to write (a {@link ReadOnlyViolation}). Nothing is kept. Open a
 *   section that writes.
 * - `ERR_STATEMENT_REFUSED`: a statement would have ended the section's transaction, or reached beyond it. It was not
 *   run.
 * - `ERR_SECTION_BROKEN`: a statement of the section failed (`cause`), so the section fails as well. Nothing is kept.
 * - `ERR_UNAWAITED_WORK`: the callback ended before a statement or inner section that it had started was done, or
 *   returned a query without executing it. Nothing is kept. Await everything, and call `execute`.
 * - `ERR_SECTION_NESTING`: these sections must not be nested. Nothing was started. End the outer one first, or use
 *   `ownTransaction`.
 * - `ERR_CONFLICT`: the section conflicted with other transactions (`cause`), and so did each retry if it is
 *   `repeatable`. Nothing is kept. Try again, or make the section `repeatable`.
 * - `ERR_STORE_BUSY`: other processes held the database for longer than `busyTimeoutMs`. Nothing is kept. Try again.
 * - `ERR_COMMIT_FAILED`: the database refused the commit (`cause`), for example because of a deferred constraint.
 *   Nothing is kept.
 * - `ERR_COMMIT_UNKNOWN`: the connection was lost during the commit. The commit may or may not have happened: read the
 *   database before you repeat the section.
 * - `ERR_STORE_LOST`: the connection was lost before the commit, or could not be opened (`cause`). Nothing is kept. Try
 *   again.
 * - `ERR_STORE_CLOSED`: the store is closed or closing. Nothing was started.
 * - `ERR_STORE_OPEN`: the database could not be opened (`cause`). Check its path or URL.
 * - `ERR_PACKAGE_MISSING`: a package that this kind of store needs is not installed. The message gives the command to
 *   install it.
 * - `ERR_MIGRATION`: a migration failed (`cause`). Nothing of this run is kept.
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

/** A store or a section failed; `cause` is the database's error, if there is one. */
export class StoreError extends Error {
  override readonly name: string = 'StoreError';
  readonly code: StoreErrorCode;

  /** @internal */
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A section that only reads tried to write, and the database refused. Nothing of the section was written. */
export class ReadOnlyViolation extends StoreError {
  override readonly name = 'ReadOnlyViolation';
  /** The statement's text, without values. */
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
